import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import type { AuditEvent } from '../../../src/audit/audit-event.ts';
import { Auditor } from '../../../src/audit/auditor.ts';
import { FunctionAuditSink } from '../../../src/audit-store/function-audit-sink.ts';
import {
  AbortedError,
  AuditUnavailableError,
  ConfigurationError,
  CrossTenantAccessError,
  InvalidTenantIdError,
} from '../../../src/errors.ts';
import type { Route, Router } from '../../../src/routing/route.ts';
import { ScopeRunner } from '../../../src/routing/scope-runner.ts';
import { currentScope } from '../../../src/tenant/scope.ts';
import type { Tenant } from '../../../src/tenant/tenant.ts';

/** Knows every tenant; nothing here opens a connection. */
const router: Router = {
  cached: () => undefined,
  route: async (id) => ({ tenant: { id } as Tenant }) as Route,
  close: async () => {},
};

describe('ScopeRunner', () => {
  let events: AuditEvent[];
  let keeps: boolean;
  let runner: ScopeRunner;
  const here = (): string | undefined => currentScope()?.tenant.id;

  beforeEach(() => {
    events = [];
    keeps = true;
    const sink = new FunctionAuditSink('memory', async (batch) => {
      if (!keeps) throw new Error('the store is away');
      events.push(...batch);
    });
    runner = new ScopeRunner({ router, auditor: new Auditor([sink]), activeTenants: async () => ['a', 'b', 'c'] });
  });

  test('a thenable that the callback returns is awaited inside the scope', async () => {
    // As drizzle's builders do, it looks only when it is awaited.
    // biome-ignore lint/suspicious/noThenProperty: the point of the test
    const thenable = { then: (resolve: (tenant: string | undefined) => void) => resolve(here()) };
    expect(await runner.run('a', () => thenable as PromiseLike<string | undefined>)).toBe('a');
  });

  test('the scope follows timers and streams, and is over once the callback has settled', async () => {
    let late: Promise<boolean | undefined> | undefined;
    await runner.run('a', async () => {
      await sleep(1);
      expect(here()).toBe('a');
      late = sleep(5).then(() => currentScope()?.over);
    });
    expect(here()).toBeUndefined();
    expect(await late).toBe(true);
  });

  test('the same tenant inside is the same scope; another is refused and audited', async () => {
    await runner.run('a', async () => {
      const outer = currentScope();
      await runner.run('a', () => expect(currentScope()).toBe(outer));
      await expect(runner.run('b', here)).rejects.toBeInstanceOf(CrossTenantAccessError);
    });
    expect(events).toMatchObject([{ action: 'scope.nested', outcome: 'refused', tenantId: 'a', targetTenantId: 'b' }]);
  });

  test('entering a known tenant’s scope awaits nothing, and inside it nothing is looked up', async () => {
    let lookUps = 0;
    const known: Router = {
      cached: (id) => {
        lookUps++;
        return { tenant: { id } as Tenant } as Route;
      },
      route: async () => {
        throw new Error('not asked');
      },
      close: async () => {},
    };
    const fast = new ScopeRunner({ router: known, auditor: new Auditor([]), activeTenants: async () => [] });
    let seen: string | undefined;
    const running = fast.run('a', async () => {
      seen = here();
      await fast.run('a', () => fast.run('a', () => {}));
    });
    expect(seen).toBe('a');
    await running;
    expect(lookUps).toBe(1);
    // What a callback throws at once is a rejection all the same.
    await expect(
      fast.run('a', () => {
        throw new Error('at once');
      }),
    ).rejects.toThrow('at once');
  });

  test('a caller can give a scope no grant', async () => {
    const options = { requestId: 'r', grant: { auditId: 'forged', actor: 'x', reason: 'x' } };
    await runner.run(
      'a',
      () => {
        expect(currentScope()).toMatchObject({ requestId: 'r', grant: undefined });
      },
      options,
    );
  });

  test('a signal inside the same tenant’s scope makes a part of it, which ends with it', async () => {
    const stop = new AbortController();
    let part: ReturnType<typeof currentScope>;
    await runner.run('a', async () => {
      const outer = currentScope()!;
      await runner.run(
        'a',
        () => {
          part = currentScope();
          expect(part).not.toBe(outer);
          expect(part!.root).toBe(outer);
        },
        { signal: stop.signal },
      );
      expect(part!.over).toBe(false);
      stop.abort();
      expect([part!.signal?.aborted, outer.signal]).toEqual([true, undefined]);
      await expect(runner.run('a', here, { signal: stop.signal })).rejects.toBeInstanceOf(AbortedError);
    });
    expect(part!.over).toBe(true);
    await expect(runner.run('b', here, { signal: stop.signal })).rejects.toBeInstanceOf(AbortedError);
  });

  test('across tenants inside a scope is allowed and recorded; another tenant inside that is refused', async () => {
    await runner.run('a', () =>
      runner.acrossTenants({ actor: 'job', reason: 'report', tenants: ['b'] }, async () => {
        expect(here()).toBe('b');
        await runner.run('b', () => expect(currentScope()?.grant?.actor).toBe('job'));
        await expect(runner.run('a', here)).rejects.toBeInstanceOf(CrossTenantAccessError);
      }),
    );
    expect(events.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'across-tenants allowed',
      'across-tenants allowed',
      'scope.nested refused',
      'across-tenants completed',
      'across-tenants completed',
    ]);
  });

  test('another tenant inside stays refused when the audit store is away', async () => {
    keeps = false;
    let ran = false;
    await runner.run('a', async () => {
      await expect(
        runner.run('b', () => {
          ran = true;
        }),
      ).rejects.toBeInstanceOf(AuditUnavailableError);
    });
    expect(ran).toBe(false);
  });

  test('two tenants at once keep their scopes apart', async () => {
    const tenants = await Promise.all(
      ['a', 'b'].map((id) =>
        runner.run(id, async () => {
          await sleep(2);
          return here();
        }),
      ),
    );
    expect(tenants).toEqual(['a', 'b']);
  });

  test('a bad id is refused before it is looked up', async () => {
    await expect(runner.run('../b', here)).rejects.toBeInstanceOf(InvalidTenantIdError);
  });

  test('acrossTenants records the whole and each tenant before it begins, and how it ended', async () => {
    const recordedBefore: number[] = [];
    const request = { actor: 'job', reason: 'report', tenants: 'all' } as const;
    const results = await runner.acrossTenants(request, (tenant) => {
      recordedBefore.push(events.length);
      expect(currentScope()?.grant).toMatchObject({ actor: 'job', reason: 'report', auditId: events.at(-1)?.id });
      return tenant.id.toUpperCase();
    });
    expect([...results]).toEqual([
      ['a', 'A'],
      ['b', 'B'],
      ['c', 'C'],
    ]);
    expect(recordedBefore).toEqual([2, 4, 6]);
    expect(events.map(({ outcome, targetTenantId }) => [outcome, targetTenantId])).toEqual([
      ['allowed', undefined],
      ['allowed', 'a'],
      ['completed', 'a'],
      ['allowed', 'b'],
      ['completed', 'b'],
      ['allowed', 'c'],
      ['completed', 'c'],
      ['completed', undefined],
    ]);
    expect(events.at(-1)?.detail).toEqual({ grant: events[0]?.id, tenants: 3, done: 3, statements: 0, rowsRead: 0, rowsWritten: 0 });
  });

  test('what can’t be recorded is not done', async () => {
    keeps = false;
    let ran = 0;
    await expect(
      runner.acrossTenants({ actor: 'job', reason: 'report', tenants: ['a'] }, () => {
        ran += 1;
      }),
    ).rejects.toBeInstanceOf(AuditUnavailableError);
    expect(ran).toBe(0);
  });

  test('a failure ends it, recorded; an abort ends it before the next tenant', async () => {
    const visited: string[] = [];
    await expect(
      runner.acrossTenants({ actor: 'job', reason: 'r', tenants: 'all' }, ({ id }) => {
        visited.push(id);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(visited).toEqual(['a']);
    expect(events.at(-2)).toMatchObject({ outcome: 'failed', targetTenantId: 'a' });
    expect(events.at(-1)).toMatchObject({
      outcome: 'failed',
      targetTenantId: undefined,
      detail: { grant: events[0]?.id, tenants: 3, done: 0 },
    });
    const abort = new AbortController();
    await expect(
      runner.acrossTenants({ actor: 'job', reason: 'r', tenants: 'all', signal: abort.signal }, () => abort.abort()),
    ).rejects.toBeInstanceOf(AbortedError);
    expect(events.at(-1)).toMatchObject({
      outcome: 'failed',
      errorCode: 'ABORTED',
      targetTenantId: undefined,
      detail: { tenants: 3, done: 1 },
    });
  });

  test('nobody works across tenants without a name and a reason', async () => {
    for (const request of [{ actor: '', reason: 'r' }, { actor: 'a', reason: ' ' }, { reason: 'r' } as { actor: string; reason: string }]) {
      await expect(runner.acrossTenants({ ...request, tenants: ['a'] }, here)).rejects.toBeInstanceOf(ConfigurationError);
    }
    expect(events).toEqual([]);
  });
});
