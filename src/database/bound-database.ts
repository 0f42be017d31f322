import {
  type ColumnsSelection,
  entityKind,
  is,
  type SQL,
  type SQLWrapper,
  type Subquery,
  sql,
  type TablesRelationalConfig,
  View,
  type WithSubquery,
} from 'drizzle-orm';
import { PgDatabase, type PgSession, PgTable, QueryBuilder } from 'drizzle-orm/pg-core';
import { NotSupportedError } from '../errors.ts';
import { TableChunk } from './chunks.ts';
import { refuseDeclaredRead } from './encrypted-use.ts';
import { RawQuery, type RawRunner } from './raw-query.ts';
import type { SessionSchema } from './session-schema.ts';
import { tableKindOf } from './table-kind.ts';
import type { TenantDialect } from './tenant-dialect.ts';
import { TenantInsertBuilder } from './tenant-insert-builder.ts';
import type { TenantQueryResultHKT } from './tenant-rows.ts';
import { undeclared } from './unscoped.ts';
import { refuseView } from './write-target.ts';

/** drizzle's session, which also runs what the caller wrote. */
export type BoundSession = PgSession<TenantQueryResultHKT, Record<string, unknown>, TablesRelationalConfig> & {
  readonly rawRunner: RawRunner;
};

interface CteQuery {
  getSQL(): SQL;
  getSelectedFields?(): ColumnsSelection | undefined;
}

type OpenWith = (alias: string, selection?: ColumnsSelection) => { as(query: CteQuery): WithSubquery };

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
    this.$with = scopedWith(this.$with as unknown as OpenWith, dialect) as unknown as typeof this.$with;
  }

  /** What raw SQL runs on. */
  get rawRunner(): RawRunner {
    return this.#session.rawRunner;
  }

  override insert(table: PgTable): never {
    return new TenantInsertBuilder(table, this.#session as never, this.#dialect) as never;
  }

  override update(table: PgTable): never {
    refuseView('update', table);
    return super.update(table) as never;
  }

  override with(...ctes: Subquery[]): never {
    const insert = (table: PgTable) => new TenantInsertBuilder(table, this.#session as never, this.#dialect, ctes);
    const made = super.with(...(ctes as WithSubquery[]));
    const update = (table: PgTable) => {
      refuseView('update', table);
      return made.update(table);
    };
    return { ...made, insert, update } as never;
  }

  /** Counts the tenant's rows only; drizzle's own never meets the dialect's builders. */
  override $count(source: PgTable | SQL | SQLWrapper, filters?: SQL): ReturnType<PgDatabase<TenantQueryResultHKT>['$count']> {
    if (!is(source, PgTable) && !is(source, View)) return super.$count(source, filters);
    const kind = tableKindOf(source);
    if (kind === undefined) throw undeclared(source);
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

/** CTEs of any select, a standalone QueryBuilder's included, or of raw SQL, whose tables are filtered as in every fragment. */
function scopedWith(stock: OpenWith, dialect: TenantDialect) {
  return (alias: string, selection?: ColumnsSelection) => ({
    as: (query: CteQuery | ((builder: QueryBuilder) => CteQuery)) => {
      refuseDeclaredRead(selection);
      const made = typeof query === 'function' ? query(new QueryBuilder(dialect.asPgDialect)) : query;
      const built = dialect.cteOf(made);
      return stock(alias, selection).as({ getSQL: () => built, getSelectedFields: () => made.getSelectedFields?.() });
    },
  });
}
