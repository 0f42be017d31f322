import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type AuditEvent, auditEvent } from '../../../src/audit/audit-event.ts';
import type { AuditSink } from '../../../src/audit/audit-sink.ts';
import { SinkFeed } from '../../../src/audit/sink-feed.ts';
import { CatalogError } from '../../../src/errors.ts';

const refused = (tenantId: string) => auditEvent({ action: 'query.policy', outcome: 'refused', tenantId });
const away = () => new CatalogError('away', { retryable: true });

/** A feed whose sink hands each write's tenants to the test. */
function feedOf(
  write: (tenants: readonly string[], events: readonly AuditEvent[]) => Promise<void>,
  {
    maxBatch = 500,
    timeoutMs = 5_000,
    maxQueue = 1_000,
    ...sink
  }: { maxBatch?: number; timeoutMs?: number; maxQueue?: number } & Pick<AuditSink, 'redeliver'> = {},
): SinkFeed {
  const whole: AuditSink = {
    name: 'test',
    write: async (events) =>
      await write(
        events.map(({ tenantId }) => tenantId ?? ''),
        events,
      ),
    close: async () => {},
    ...sink,
  };
  return new SinkFeed(whole, { maxQueue, maxBatch, timeoutMs });
}

describe('SinkFeed', () => {
  test('entries of one tick travel together, those that come meanwhile in the next write, all in order', async () => {
    const writes: (readonly string[])[] = [];
    let release = (): void => {};
    const feed = feedOf(async (tenants) => {
      writes.push(tenants);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
    const first = [feed.add(refused('a')), feed.add(refused('b'))];
    await turn();
    const second = [feed.add(refused('c')), feed.add(refused('d'))];
    expect(writes).toEqual([['a', 'b']]);
    release();
    await Promise.all(first);
    await turn();
    release();
    await Promise.all(second);
    expect(writes).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  test('an entry right after the last answer is not left behind', async () => {
    const feed = feedOf(async () => {});
    let done = 0;
    await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        for (let k = 0; k < 20; k++) {
          for (let wait = 0; wait < (n + k) % 7; wait++) await Promise.resolve();
          await feed.add(refused('a'));
          done++;
        }
      }),
    );
    expect(done).toBe(400);
  });

  test('a large batch is split', async () => {
    const sizes: number[] = [];
    const feed = feedOf(
      async ({ length }) => {
        sizes.push(length);
      },
      { maxBatch: 10 },
    );
    await Promise.all(Array.from({ length: 25 }, () => feed.add(refused('a'))));
    expect(sizes).toEqual([10, 10, 5]);
  });

  test('an entry that the sink refuses does not take down the others', async () => {
    const kept: string[] = [];
    const feed = feedOf(
      async (tenants) => {
        if (tenants.includes('bad')) throw new CatalogError('check');
        kept.push(...tenants);
      },
      { redeliver: true },
    );
    const results = await Promise.allSettled(['a', 'bad', 'b'].map((id) => feed.add(refused(id))));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(kept).toEqual(['a', 'b']);
  });

  test('a store that is away is offered the entries again, before any later one; their reporters heard of it', async () => {
    const kept: string[] = [];
    let isAway = true;
    const feed = feedOf(
      async (tenants) => {
        if (isAway) throw away();
        kept.push(...tenants);
      },
      { redeliver: true },
    );
    await expect(feed.add(refused('a'))).rejects.toThrow('away');
    await expect(feed.add(refused('b'))).rejects.toThrow('away');
    isAway = false;
    await feed.add(refused('c'));
    expect(kept).toEqual(['a', 'b', 'c']);
  });

  test('they are offered again also if nothing comes after them', async () => {
    let writes = 0;
    const kept: Promise<string> = new Promise((resolve) => {
      const feed = feedOf(
        async ([tenant]) => {
          if (++writes < 3) throw away();
          resolve(tenant!);
        },
        { redeliver: true },
      );
      feed.add(refused('a')).catch(() => {});
    });
    const alive = setInterval(() => {}, 1_000);
    expect(await kept).toBe('a');
    clearInterval(alive);
  });

  test('a sink that does not keep is not offered an entry twice', async () => {
    const seen: string[] = [];
    const feed = feedOf(async ([tenant]) => {
      seen.push(tenant!);
      if (tenant === 'a') throw away();
    });
    await expect(feed.add(refused('a'))).rejects.toThrow('away');
    await feed.add(refused('b'));
    expect(seen).toEqual(['a', 'b']);
  });

  test('a write that never ends is given up, and the next entry is not behind it', async () => {
    const feed = feedOf(
      async ([tenant]) => {
        if (tenant === 'a') await new Promise(() => {});
      },
      { timeoutMs: 20 },
    );
    await expect(feed.add(refused('a'))).rejects.toThrow('took longer than 20 ms');
    await feed.add(refused('b'));
  });
});
