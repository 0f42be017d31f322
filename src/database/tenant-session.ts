import { entityKind, type Query, type SQL, type TablesRelationalConfig } from 'drizzle-orm';
import type { PgTransaction } from 'drizzle-orm/pg-core';
import { PgSession, type PgTransactionConfig, type PreparedQueryConfig, type SelectedFieldsOrdered } from 'drizzle-orm/pg-core';
import { NotSupportedError } from '../errors.ts';
import type { Binding } from './binding.ts';
import { CompiledQuery } from './compiled-query.ts';
import type { QueryExecutor } from './query-executor.ts';
import { RawStatements } from './raw-statements.ts';
import type { SessionSchema } from './session-schema.ts';
import type { TenantDialect } from './tenant-dialect.ts';
import { type ResultMapper, TenantPreparedQuery } from './tenant-prepared-query.ts';
import type { TenantQueryResultHKT } from './tenant-rows.ts';
import { TenantTransaction } from './tenant-transaction.ts';
import { unscoped } from './unscoped.ts';

export interface TenantSessionOptions {
  readonly dialect: TenantDialect;
  readonly executor: QueryExecutor;
  readonly schema: SessionSchema;
}

/** drizzle's options of a transaction, and a signal that ends it. */
export interface SessionTransactionConfig extends PgTransactionConfig {
  readonly signal?: AbortSignal | undefined;
}

/** drizzle's session for queries of one tenant, or of one transaction of it. It holds no connection. */
export class TenantSession extends PgSession<TenantQueryResultHKT, Record<string, unknown>, TablesRelationalConfig> {
  static override readonly [entityKind]: string = 'TenancySession';
  /** Runs SQL that the caller wrote, under the tenant's search_path. */
  readonly rawRunner: RawStatements;
  readonly #options: TenantSessionOptions;
  readonly #binding: Binding;

  constructor(options: TenantSessionOptions, binding: Binding) {
    super(options.dialect.asPgDialect);
    this.#options = options;
    this.#binding = binding;
    this.rawRunner = new RawStatements(options.executor, binding, (query) => options.dialect.rawToQuery(query));
  }

  override prepareQuery<T extends PreparedQueryConfig = PreparedQueryConfig>(
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    name: string | undefined,
    _arrayMode: boolean,
    mapper?: (rows: unknown[][], mapColumnValue?: (value: unknown) => unknown) => T['execute'],
    _metadata?: unknown,
    cache?: { enable?: boolean },
  ): TenantPreparedQuery<T> {
    if (cache?.enable === true) {
      throw new NotSupportedError('$withCache is not offered: its keys do not hold the tenant.', {
        hint: 'Leave it out, or cache in the service with the tenant in the key.',
      });
    }
    if (!(query instanceof CompiledQuery)) throw unscoped('A query compiled by another dialect', 'Build it with tenancy.db.');
    const binding = name === undefined ? this.#binding : { ...this.#binding, anyTenant: true };
    return new TenantPreparedQuery<T>(this.#options.executor, binding, query, fields, mapper as ResultMapper | undefined);
  }

  override async execute<T>(query: SQL): Promise<T> {
    return (await this.rawRunner.run(query)) as T;
  }

  override async all<T = unknown>(query: SQL): Promise<T[]> {
    return this.rawRunner.run<T>(query);
  }

  /** What `$count` runs: built by the dialect, so not raw. */
  override async count(query: SQL): Promise<number> {
    const compiled = this.#options.dialect.sqlToQuery(query);
    return this.#options.executor.execute(this.#binding, {
      query: compiled,
      values: {},
      rows: 'array',
      raw: false,
      map: ({ rows }) => Number((rows[0] as readonly unknown[])[0]),
    });
  }

  override async transaction<T>(
    callback: (tx: PgTransaction<TenantQueryResultHKT, Record<string, unknown>, TablesRelationalConfig>) => Promise<T>,
    config: SessionTransactionConfig = {},
  ): Promise<T> {
    const { isolationLevel, accessMode, deferrable, signal } = config;
    const options = {
      // PostgreSQL treats the two alike.
      isolationLevel: isolationLevel === 'read uncommitted' ? ('read committed' as const) : isolationLevel,
      accessMode,
      deferrable,
      signal,
    };
    return this.#options.executor.transaction(this.#binding, options, (transaction) => {
      const session = new TenantSession(this.#options, { tenantId: transaction.tenantId, transaction, anyTenant: false });
      const tx = new TenantTransaction(transaction, this.#options.dialect, session, this.#options.schema);
      return callback(tx as never);
    });
  }
}
