import type { ExtractTablesWithRelations } from 'drizzle-orm';
import type { PgTransaction } from 'drizzle-orm/pg-core';
import { NotSupportedError } from '../errors.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { currentScope } from '../tenant/scope.ts';
import { ambientTransaction } from './ambient-transaction.ts';
import { anySignal } from './any-signal.ts';
import { checkRetry, type RetryOptions, withRetries } from './retry.ts';
import type { SessionPool } from './session-pool.ts';
import type { TenantQueryResultHKT } from './tenant-rows.ts';

/** drizzle's transaction of a schema, as `tenancy.db.transaction` hands it out. */
export type ScopedPgTransaction<TSchema extends Record<string, unknown>> = PgTransaction<
  TenantQueryResultHKT,
  TSchema,
  ExtractTablesWithRelations<TSchema>
>;

/** What `tenancy.transaction` takes beside its callback. Inside another transaction there is a savepoint, which takes `signal` alone. */
export interface TransactionOptions {
  /** PostgreSQL's default unless told. */
  readonly isolationLevel?: 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable' | undefined;
  /** Whether it may write; PostgreSQL's default unless told. */
  readonly accessMode?: 'read only' | 'read write' | undefined;
  /** Whether a serializable, read only transaction waits until it can't fail. */
  readonly deferrable?: boolean | undefined;
  /** Cancels what is running on the server, rolls back and rejects with {@link AbortedError}. */
  readonly signal?: AbortSignal | undefined;
  /** Runs the whole callback again after a serialization failure or a deadlock; never unless told. */
  readonly retry?: RetryOptions | undefined;
}

/** `tenancy.transaction`. */
export type RunTransaction<TSchema extends Record<string, unknown>> = <T>(
  callback: (tx: ScopedPgTransaction<TSchema>, attempt: number) => T | PromiseLike<T>,
  options?: TransactionOptions,
) => Promise<T>;

/** Makes `tenancy.transaction` over the sessions of the scopes. */
export function createRunTransaction<TSchema extends Record<string, unknown>>(
  sessions: SessionPool,
  telemetry: Telemetry | undefined,
): RunTransaction<TSchema> {
  return async (callback, options = {}) => {
    const { retry, ...config } = options;
    const database = sessions.current();
    const run = <T>(of: (tx: ScopedPgTransaction<TSchema>, attempt: number) => T | PromiseLike<T>, attempt: number): Promise<T> =>
      database.transaction(async (tx) => await of(tx as never, attempt), config as never);
    if (retry === undefined) return run(callback, 1);
    checkRetry(retry);
    const scope = currentScope();
    if (scope !== undefined && ambientTransaction(scope) !== undefined) {
      throw new NotSupportedError('A transaction inside another one can’t be retried: what failed is the whole.', {
        tenantId: scope.tenant.id,
        hint: 'Give retry to the outermost transaction.',
      });
    }
    return withRetries((attempt) => run(callback, attempt), retry, {
      tenantId: scope?.tenant.id,
      signal: anySignal(options.signal, scope?.signal),
      onRetry: (reason) => telemetry?.retried(reason),
    });
  };
}
