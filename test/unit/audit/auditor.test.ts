import { generateKeySync } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Anchor } from '../../../src/audit/anchor-sink.ts';
import { AuditChain } from '../../../src/audit/audit-chain.ts';
import type { AuditEntry, AuditEvent } from '../../../src/audit/audit-event.ts';
import type { AuditSink } from '../../../src/audit/audit-sink.ts';
import { Auditor, type AuditorOptions } from '../../../src/audit/auditor.ts';
import { FunctionAnchorSink } from '../../../src/audit-store/function-anchor-sink.ts';
import { FunctionAuditSink } from '../../../src/audit-store/function-audit-sink.ts';
import { AuditUnavailableError, CatalogError } from '../../../src/errors.ts';

const writer = {
  id: '6f9619ff-8b86-4d01-b42d-00cf4fc964ff',
  provider: 'test',
  keyRef: 'k',
  keyVersion: undefined,
  wrapped: Buffer.from('wrapped'),
  startedAt: new Date(),
};
const chain = () => new AuditChain(writer, generateKeySync('hmac', { length: 256 }));

/** An auditor over memory. */
function auditorOf(options: AuditorOptions & { readonly sinks?: readonly AuditSink[] } = {}) {
  const events: AuditEvent[] = [];
  const memory = new FunctionAuditSink('memory', async (batch) => {
    await turn();
    events.push(...batch);
  });
  return { events, auditor: new Auditor([memory, ...(options.sinks ?? [])], { openChain: async () => chain(), ...options }) };
}

const attempt = (tenantId: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  action: 'query.policy',
  outcome: 'refused',
  tenantId,
  errorCode: '42501',
  statementFingerprint: 'f',
  ...more,
});

describe('a flood', () => {
  test('twenty thousand attempts like one another are a few entries, and their numbers add up', async () => {
    const { events, auditor } = auditorOf({ foldMs: 20 });
    const ids = await Promise.all(Array.from({ length: 20_000 }, (_, n) => auditor.record(attempt('a', { requestId: `r-${n}` }))));
    expect(events.length).toBeLessThan(200);
    expect(attempts(events)).toBe(20_000);
    // Every attempt's id is an entry that is there.
    expect(new Set(ids)).toEqual(new Set(events.map(({ id }) => id)));
    const [first, second] = events;
    expect(first?.detail['repeats']).toBeUndefined();
    expect(second?.detail).toMatchObject({ repeats: expect.any(Number), firstAt: expect.any(String), lastAt: expect.any(String) });
    expect(Date.parse(String(second?.detail['firstAt']))).toBeLessThanOrEqual(Date.parse(String(second?.detail['lastAt'])));
  });

  test('as long as it goes on, each window has one entry', async () => {
    const { events, auditor } = auditorOf({ foldMs: 15 });
    for (let wave = 0; wave < 6; wave++) await Promise.all(Array.from({ length: 100 }, () => auditor.record(attempt('a'))));
    expect(attempts(events)).toBe(600);
    expect(events.length).toBeLessThanOrEqual(7);
  });

  test('what differs is not folded together; control: what does not is', async () => {
    const { events, auditor } = auditorOf({ foldMs: 500 });
    const different = [
      attempt('a'),
      attempt('b'),
      attempt('a', { targetTenantId: 'b' }),
      attempt('a', { action: 'residency' }),
      attempt('a', { errorCode: 'X' }),
      attempt('a', { statementFingerprint: 'g' }),
      attempt('a', { actor: 'ops' }),
      attempt('a', { detail: { region: 'eu' } }),
    ];
    await Promise.all(different.map(async (entry) => await auditor.record(entry)));
    expect(events).toHaveLength(different.length);
    expect(events.every(({ detail }) => detail['repeats'] === undefined)).toBe(true);
    await Promise.all([...different, ...different].map(async (entry) => await auditor.record(entry)));
    expect(attempts(events)).toBe(3 * different.length);
    expect(events).toHaveLength(2 * different.length);
  });

  test('what is not a refusal is never folded', async () => {
    const { events, auditor } = auditorOf();
    for (const outcome of ['allowed', 'completed', 'failed'] as const) {
      await Promise.all([1, 2, 3].map(async () => await auditor.record({ action: 'across-tenants', outcome, actor: 'a', reason: 'r' })));
    }
    expect(events).toHaveLength(9);
  });

  test('ten thousand different ones all arrive, linked in order, through a queue of a hundred', async () => {
    const { events, auditor } = auditorOf({ maxQueue: 100 });
    await Promise.all(Array.from({ length: 10_000 }, (_, n) => auditor.record(attempt(`t-${n}`))));
    expect(events.map(({ link }) => link?.seq)).toEqual(Array.from({ length: 10_000 }, (_, n) => n + 1));
    expect(events.every(({ link }, n) => n === 0 || link?.previous === events[n - 1]?.link?.mac)).toBe(true);
  });

  test('whoever waits for a folded entry hears when it could not be kept', async () => {
    const auditor = new Auditor(
      [
        new FunctionAuditSink('broken', () => {
          throw new Error('full');
        }),
      ],
      { foldMs: 5 },
    );
    const results = await Promise.allSettled([1, 2, 3].map(async () => await auditor.record(attempt('a'))));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  });

  test('close does not lose what was being gathered', async () => {
    const { events, auditor } = auditorOf({ foldMs: 60_000 });
    const records = [1, 2, 3].map(async () => await auditor.record(attempt('a')));
    await turn();
    await auditor.close();
    await Promise.all(records);
    expect(attempts(events)).toBe(3);
  });
});

describe('back-pressure', () => {
  test('a full queue makes the next entry wait, not more than its time', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const kept: string[] = [];
    const slow = new FunctionAuditSink('slow', async (batch) => {
      await gate;
      kept.push(...batch.map(({ tenantId }) => tenantId ?? ''));
    });
    const auditor = new Auditor([slow], { maxQueue: 2, timeoutMs: 5_000 });
    const records = ['a', 'b', 'c'].map(async (tenant) => await auditor.record(attempt(tenant)));
    await turn();
    release();
    await Promise.all(records);
    expect(kept).toEqual(['a', 'b', 'c']);

    const stuck = new Auditor([new FunctionAuditSink('stuck', () => new Promise(() => {}))], { maxQueue: 1, timeoutMs: 40 });
    const results = await Promise.allSettled(['a', 'b', 'c'].map(async (tenant) => await stuck.record(attempt(tenant))));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  });
});

describe('several sinks', () => {
  const failing = (required: boolean): AuditSink => ({
    name: 'failing',
    required,
    write: async () => {
      throw new Error('down');
    },
    close: async () => {},
  });

  test('a required one that fails fails the record, yet the others have the entry', async () => {
    const { events, auditor } = auditorOf({ sinks: [failing(true)] });
    await expect(auditor.record(attempt('a'))).rejects.toThrow(AuditUnavailableError);
    await expect.poll(() => events.length).toBe(1);
  });

  test('one that is not required is nobody’s concern but onSinkError’s', async () => {
    const heard: string[] = [];
    const { events, auditor } = auditorOf({ sinks: [failing(false)], onSinkError: (_, sink) => heard.push(sink) });
    await auditor.record(attempt('a'));
    expect(events).toHaveLength(1);
    await expect.poll(() => heard).toEqual(['failing']);
  });

  test('one that is not required and hangs loses entries once its queue is full, and says so', async () => {
    const heard: unknown[] = [];
    const hanging: AuditSink = { name: 'hanging', required: false, write: () => new Promise(() => {}), close: async () => {} };
    const { events, auditor } = auditorOf({ sinks: [hanging], maxQueue: 5, onSinkError: (error) => heard.push(error) });
    for (let n = 0; n < 20; n++) await auditor.record(attempt(`t-${n}`));
    expect(events).toHaveLength(20);
    expect(heard).toHaveLength(15);
  });

  test('work that was allowed and then could not be recorded is taken back once the store is there again', async () => {
    const kept: AuditEvent[] = [];
    let isAway = true;
    const store: AuditSink = {
      name: 'store',
      redeliver: true,
      write: async (batch) => {
        if (isAway) throw new CatalogError('away', { retryable: true });
        kept.push(...batch);
      },
      close: async () => {},
    };
    const auditor = new Auditor([store], { openChain: async () => chain() });
    const allowed = { action: 'across-tenants', outcome: 'allowed', targetTenantId: 'a', actor: 'ops', reason: 'r' } as const;
    await expect(auditor.record(allowed)).rejects.toThrow(AuditUnavailableError);
    isAway = false;
    await auditor.record(attempt('b'));
    expect(kept).toMatchObject([
      { outcome: 'allowed' },
      { outcome: 'failed', targetTenantId: 'a', errorCode: 'AUDIT_UNAVAILABLE', detail: { grant: kept[0]?.id } },
      { outcome: 'refused', tenantId: 'b' },
    ]);
    expect(kept.map(({ link }) => link?.seq)).toEqual([1, 2, 3]);
  });
});

describe('the chain', () => {
  test('opens once, and again when it could not be opened', async () => {
    let opened = 0;
    const { events, auditor } = auditorOf({
      openChain: async () => {
        if (++opened === 1) throw new Error('no key');
        return chain();
      },
    });
    await expect(auditor.record(attempt('a'))).rejects.toThrow(AuditUnavailableError);
    await Promise.all([auditor.record(attempt('b')), auditor.record(attempt('c'))]);
    expect(opened).toBe(2);
    expect(events.map(({ link }) => link?.seq)).toEqual([1, 2]);
  });

  test('its head is anchored while it grows and at the end; an anchor that fails is written again', async () => {
    const anchors: Anchor[] = [];
    let fails = 1;
    const flaky = new FunctionAnchorSink('flaky', (anchor) => {
      if (fails-- > 0) throw new Error('away');
      anchors.push(anchor);
    });
    const heard: string[] = [];
    const { events, auditor } = auditorOf({ anchors: [flaky], anchorEveryMs: 5, onSinkError: (_, sink) => heard.push(sink) });
    await auditor.record(attempt('a'));
    const alive = setInterval(() => {}, 1_000);
    await expect.poll(() => anchors.map(({ seq }) => seq)).toEqual([1]);
    clearInterval(alive);
    expect(heard).toEqual(['flaky']);
    await auditor.record(attempt('b'));
    await auditor.record(attempt('c'));
    await auditor.close();
    expect(anchors.at(-1)).toMatchObject({ writer: writer.id, seq: 3, mac: events[2]?.link?.mac });
  });

  test('an entry that was not kept is not anchored', async () => {
    const anchors: Anchor[] = [];
    const broken = new FunctionAuditSink('broken', () => {
      throw new Error('full');
    });
    const auditor = new Auditor([broken], {
      openChain: async () => chain(),
      anchors: [new FunctionAnchorSink('list', (anchor) => void anchors.push(anchor))],
    });
    await expect(auditor.record(attempt('a'))).rejects.toThrow(AuditUnavailableError);
    await auditor.close();
    expect(anchors).toEqual([]);
  });
});

/** How many attempts the entries stand for. */
function attempts(events: readonly AuditEvent[]): number {
  return events.reduce((sum, { detail }) => sum + Number(detail['repeats'] ?? 1), 0);
}
