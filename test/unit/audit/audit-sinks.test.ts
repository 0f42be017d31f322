import { describe, expect, test } from 'vitest';
import { auditEvent } from '../../../src/audit/audit-event.ts';
import { Auditor } from '../../../src/audit/auditor.ts';
import { storableEvent } from '../../../src/audit/storable-event.ts';
import { FunctionAuditSink } from '../../../src/audit-store/function-audit-sink.ts';
import { PostgresAuditSink } from '../../../src/audit-store/postgres-audit-sink.ts';
import { StdoutAuditSink } from '../../../src/audit-store/stdout-audit-sink.ts';
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

  test('takes nothing after close', async () => {
    const sink = new PostgresAuditSink({ session: sessionOf(async () => {}) });
    await sink.close();
    await expect(sink.write([refused('a')])).rejects.toThrow(ClosedError);
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
