import { describe, expect, test } from 'vitest';
import { auditEvent } from '../../../src/audit/audit-event.ts';
import { Auditor } from '../../../src/audit/auditor.ts';
import { FunctionAuditSink } from '../../../src/audit-store/function-audit-sink.ts';
import { PostgresAuditSink } from '../../../src/audit-store/postgres-audit-sink.ts';
import { StdoutAuditSink } from '../../../src/audit-store/stdout-audit-sink.ts';
import { storableEvent } from '../../../src/audit-store/storable-event.ts';
import type { CatalogSession } from '../../../src/catalog/catalog-session.ts';
import { AuditUnavailableError, CatalogError, ClosedError } from '../../../src/errors.ts';

const refused = (tenantId: string) => auditEvent({ action: 'query.policy', outcome: 'refused', tenantId });

/** A session that hands each insert's entries to the test. */
function sessionOf(append: (ids: readonly string[]) => Promise<void>): CatalogSession {
  return {
    query: async (_attempt, run) => {
      let given: readonly { id: string }[] = [];
      const sql = Object.assign(async () => {}, {
        json: (events: readonly { id: string }[]) => {
          given = events;
        },
      });
      const result = run(sql as never);
      await append(given.map(({ id }) => id));
      return await result;
    },
  };
}

describe('PostgresAuditSink', () => {
  test('entries of one tick travel together, those that come meanwhile in the next insert, all in order', async () => {
    const inserts: (readonly string[])[] = [];
    let release = (): void => {};
    const sink = new PostgresAuditSink({
      session: sessionOf(async (ids) => {
        inserts.push(ids);
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      }),
    });
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(refused);
    const first = [sink.write([a!]), sink.write([b!])];
    await new Promise((resolve) => setImmediate(resolve));
    const second = [sink.write([c!]), sink.write([d!])];
    expect(inserts).toEqual([[a!.id, b!.id]]);
    release();
    await Promise.all(first);
    await new Promise((resolve) => setImmediate(resolve));
    release();
    await Promise.all(second);
    expect(inserts).toEqual([
      [a!.id, b!.id],
      [c!.id, d!.id],
    ]);
  });

  test('a write right after the last answer is not left behind', async () => {
    const sink = new PostgresAuditSink({ session: sessionOf(async () => {}) });
    for (let n = 0; n < 50; n++) await sink.write([refused('a')]);
    let done = 0;
    await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        for (let k = 0; k < 20; k++) {
          for (let wait = 0; wait < (n + k) % 7; wait++) await Promise.resolve();
          await sink.write([refused('a')]);
          done++;
        }
      }),
    );
    expect(done).toBe(400);
  });

  test('a lost connection is tried again once, with the same ids', async () => {
    const inserts: (readonly string[])[] = [];
    const sink = new PostgresAuditSink({
      session: sessionOf(async (ids) => {
        inserts.push(ids);
        if (inserts.length === 1) throw new CatalogError('lost', { retryable: true });
      }),
    });
    const event = refused('a');
    await sink.write([event]);
    expect(inserts).toEqual([[event.id], [event.id]]);
  });

  test('lost twice is not kept, and the auditor says so', async () => {
    const sink = new PostgresAuditSink({
      session: sessionOf(async () => {
        throw new CatalogError('lost', { retryable: true });
      }),
    });
    await expect(new Auditor([sink]).record({ action: 'residency', outcome: 'refused' })).rejects.toThrow(AuditUnavailableError);
  });

  test('an entry that the catalog refuses does not take down the others', async () => {
    const bad = refused('bad');
    const good = refused('good');
    const kept: string[] = [];
    const sink = new PostgresAuditSink({
      session: sessionOf(async (ids) => {
        if (ids.includes(bad.id)) throw new CatalogError('check');
        kept.push(...ids);
      }),
    });
    const results = await Promise.allSettled([sink.write([bad]), sink.write([good])]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(kept).toEqual([good.id]);
  });

  test('takes nothing after close', async () => {
    const sink = new PostgresAuditSink({ session: sessionOf(async () => {}) });
    await sink.close();
    await expect(sink.write([refused('a')])).rejects.toThrow(ClosedError);
  });

  test('a large batch is split', async () => {
    const sizes: number[] = [];
    const sink = new PostgresAuditSink({
      session: sessionOf(async (ids) => {
        sizes.push(ids.length);
      }),
      maxBatch: 10,
    });
    await Promise.all(Array.from({ length: 25 }, () => sink.write([refused('a')])));
    expect(sizes).toEqual([10, 10, 5]);
  });
});

describe('storableEvent', () => {
  test('what jsonb can’t hold is replaced, not lost', () => {
    const event = storableEvent(
      auditEvent({
        action: 'across-tenants',
        outcome: 'allowed',
        actor: 'o\0ps',
        reason: 'half \ud83d of a pair, whole 😀',
        detail: { 'a\0': 'b\0', n: 1 },
      }),
    );
    expect(event.actor).toBe('o\ufffdps');
    expect(event.reason).toBe('half \ufffd of a pair, whole 😀');
    expect(event.detail).toEqual({ 'a\ufffd': 'b\ufffd', n: 1 });
    expect(event.tenant_id).toBeNull();
  });
});

describe('StdoutAuditSink', () => {
  test('writes a line of JSON per entry and waits for the stream', async () => {
    let text = '';
    const sink = new StdoutAuditSink({
      write: (chunk, callback) => {
        text += chunk;
        callback();
      },
    });
    await sink.write([refused('a'), refused('b')]);
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map((line) => [line['type'], line['tenant_id']])).toEqual([
      ['tenancy.audit', 'a'],
      ['tenancy.audit', 'b'],
    ]);
  });

  test('a broken stream keeps nothing', async () => {
    const sink = new StdoutAuditSink({
      write: (_chunk, callback) => {
        callback(new Error('EPIPE'));
      },
    });
    await expect(sink.write([refused('a')])).rejects.toThrow('EPIPE');
  });
});

describe('FunctionAuditSink', () => {
  test('hands entries on, and what the function throws counts as not kept', async () => {
    const kept: string[] = [];
    const event = refused('a');
    await new FunctionAuditSink('list', (events) => {
      kept.push(...events.map(({ id }) => id));
    }).write([event]);
    expect(kept).toEqual([event.id]);
    await expect(
      new FunctionAuditSink('broken', () => {
        throw new Error('full');
      }).write([event]),
    ).rejects.toThrow('full');
  });
});
