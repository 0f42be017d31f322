import type { Sql, TransactionSql } from 'postgres';
import { failureCode, isConnectionFailure } from '../catalog/catalog-failure.ts';
import type { ProbeAttempt, ProbeOutcome } from './probe-attempts.ts';

/** The service login's transaction of one schema's probes. Nothing of it is kept. */
export class ProbeSession {
  readonly sql: Sql | TransactionSql;
  readonly #sign: (tenantId: string) => string;

  constructor(sql: Sql | TransactionSql, sign: (tenantId: string) => string) {
    this.sql = sql;
    this.#sign = sign;
  }

  /** A tenant's signed context for this session. */
  sign(tenantId: string): string {
    return this.#sign(tenantId);
  }

  /** From here on the session is this tenant; undefined stands for no context at all. */
  async become(tenantId: string | undefined): Promise<void> {
    await this.sql`select set_config('tenancy.context', ${tenantId === undefined ? '' : this.#sign(tenantId)}, true)`;
  }

  /** Tries statements one by one, each undone at once; all of them travel together. */
  async attempt(attempts: readonly Pick<ProbeAttempt, 'text'>[]): Promise<readonly ProbeOutcome[]> {
    if (attempts.length === 0) return [];
    // The driver sends a statement when it is awaited, in this order.
    const [marked, ...answers] = await Promise.all([
      Promise.allSettled([this.sql.unsafe('savepoint attempt')]),
      ...attempts.map(({ text }) => Promise.allSettled([this.sql.unsafe(text), this.sql.unsafe('rollback to savepoint attempt')])),
    ]);
    if (marked[0].status === 'rejected') throw marked[0].reason;
    await this.sql.unsafe('release savepoint attempt');
    return answers.map(([tried, undone]) => {
      if (undone?.status === 'rejected') throw undone.reason;
      return outcomeOf(tried);
    });
  }

  /** One statement that stays if it succeeds, and is undone if it does not; in one round trip when it does. */
  async keep<T extends Record<string, unknown>>(text: string): Promise<{ readonly row: T | undefined } | { readonly code: string }> {
    const [marked, tried, kept] = await Promise.allSettled([
      this.sql.unsafe('savepoint kept'),
      this.sql.unsafe<T[]>(text),
      this.sql.unsafe('release savepoint kept'),
    ]);
    if (marked.status === 'rejected') throw marked.reason;
    if (tried.status === 'fulfilled') {
      if (kept.status === 'rejected') throw kept.reason;
      return { row: tried.value[0] };
    }
    const outcome = outcomeOf(tried);
    await this.sql.unsafe('rollback to savepoint kept');
    return outcome as { readonly code: string };
  }
}

function outcomeOf(tried: PromiseSettledResult<{ readonly count: number | null }>): ProbeOutcome {
  if (tried.status === 'fulfilled') return { count: tried.value.count ?? 0 };
  const code = failureCode(tried.reason);
  if (code === undefined || isConnectionFailure(tried.reason)) throw tried.reason;
  return { code };
}

/** Contexts that no signer made; each should be refused. */
export async function forgedContexts(
  session: ProbeSession,
  tenants: { readonly victim: string; readonly intruder: string },
): Promise<{ readonly checked: number; readonly accepted: readonly string[] }> {
  const signed = session.sign(tenants.intruder);
  const parts = signed.split(':');
  const forged = {
    'a context without a signature': [...parts.slice(0, -1), ''].join(':'),
    'a context signed for another tenant': parts.map((part, index) => (index === 2 ? tenants.victim : part)).join(':'),
    'a context whose life was prolonged': parts.map((part, index) => (index === 4 ? String(Number(part) + 1) : part)).join(':'),
    'a bare tenant id': tenants.victim,
  };
  const accepted: string[] = [];
  for (const [what, context] of Object.entries(forged)) {
    await session.sql`select set_config('tenancy.context', ${context}, true)`;
    const [outcome] = await session.attempt([{ text: 'select tenancy.current_tenant_id()' }]);
    if (outcome === undefined || !('code' in outcome) || outcome.code !== '42501') accepted.push(what);
  }
  return { checked: Object.keys(forged).length, accepted };
}
