import { entityKind, is, type SQL, type SQLWrapper, type Subquery, sql, type TablesRelationalConfig, type WithSubquery } from 'drizzle-orm';
import { PgDatabase, type PgSession, PgTable } from 'drizzle-orm/pg-core';
import { NotSupportedError } from '../errors.ts';
import { TableChunk } from './chunks.ts';
import { rangeNameOf } from './drizzle-internals.ts';
import { RawQuery, type RawRunner } from './raw-query.ts';
import type { SessionSchema } from './session-schema.ts';
import { tableKindOf } from './table-kind.ts';
import type { TenantDialect } from './tenant-dialect.ts';
import { TenantInsertBuilder } from './tenant-insert-builder.ts';
import type { TenantQueryResultHKT } from './tenant-rows.ts';
import { unscoped } from './unscoped.ts';

/** drizzle's session, which also runs what the caller wrote. */
export type BoundSession = PgSession<TenantQueryResultHKT, Record<string, unknown>, TablesRelationalConfig> & {
  readonly rawRunner: RawRunner;
};

/** drizzle's database for one tenant (or for none, to prepare): its builders are bound when they are made. */
export class BoundDatabase extends PgDatabase<TenantQueryResultHKT, Record<string, unknown>, TablesRelationalConfig> {
  static override readonly [entityKind]: string = 'TenancyDatabase';
  readonly #dialect: TenantDialect;
  readonly #session: BoundSession;

  constructor(dialect: TenantDialect, session: BoundSession, schema: SessionSchema) {
    super(dialect.asPgDialect, session, schema as never);
    this.#dialect = dialect;
    this.#session = session;
    // drizzle's cache knows no tenants.
    delete (this as { $cache?: unknown }).$cache;
  }

  /** What raw SQL runs on. */
  get rawRunner(): RawRunner {
    return this.#session.rawRunner;
  }

  override insert(table: PgTable): never {
    return new TenantInsertBuilder(table, this.#session as never, this.#dialect) as never;
  }

  override with(...ctes: Subquery[]): never {
    const insert = (table: PgTable) => new TenantInsertBuilder(table, this.#session as never, this.#dialect, ctes);
    return { ...super.with(...(ctes as WithSubquery[])), insert } as never;
  }

  /** Counts the tenant's rows only; drizzle's own never meets the dialect's builders. */
  override $count(source: PgTable | SQL | SQLWrapper, filters?: SQL): ReturnType<PgDatabase<TenantQueryResultHKT>['$count']> {
    if (!is(source, PgTable)) return super.$count(source, filters);
    const kind = tableKindOf(source);
    if (kind === undefined) throw unscoped(`The table ${rangeNameOf(source)}`, 'Declare it with tenantTable or referenceTable.');
    return super.$count(new TableChunk(source, kind === 'tenant') as never, filters);
  }

  /** Raw SQL of the caller, as `tenancy.sql`: row-level security holds, scoping does not rewrite it. */
  override execute(query: SQLWrapper | string): never {
    return new RawQuery(typeof query === 'string' ? sql.raw(query) : query.getSQL(), this.#session.rawRunner) as never;
  }

  override refreshMaterializedView(): never {
    throw new NotSupportedError('A materialized view is not refreshed by a tenant’s service.', {
      hint: 'It belongs to the owner: refresh it in a migration.',
    });
  }
}
