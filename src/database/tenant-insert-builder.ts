import { entityKind, is, type Subquery } from 'drizzle-orm';
import {
  PgInsertBuilder,
  type PgInsertConfig,
  PgSelectQueryBuilderBase,
  type PgSession,
  type PgTable,
  QueryBuilder,
} from 'drizzle-orm/pg-core';
import { NotSupportedError } from '../errors.ts';
import { rangeNameOf } from './drizzle-internals.ts';
import type { TenantDialect } from './tenant-dialect.ts';
import { TenantInsert } from './tenant-insert.ts';
import { refuseView } from './write-target.ts';

/** drizzle's insert builder, making {@link TenantInsert}s and giving `insert().select(qb => …)` a builder that scopes. */
export class TenantInsertBuilder extends PgInsertBuilder<PgTable, never> {
  static override readonly [entityKind]: string = 'TenancyInsertBuilder';
  readonly #table: PgTable;
  readonly #session: PgSession;
  readonly #dialect: TenantDialect;
  readonly #withList: Subquery[] | undefined;

  constructor(table: PgTable, session: PgSession, dialect: TenantDialect, withList?: Subquery[]) {
    refuseView('insert', table);
    super(table, session, dialect.asPgDialect, withList);
    this.#table = table;
    this.#session = session;
    this.#dialect = dialect;
    this.#withList = withList;
  }

  override values(values: never): never {
    const { config } = super.values(values) as unknown as { config: PgInsertConfig };
    return new TenantInsert(config, this.#session, this.#dialect) as never;
  }

  /** @throws {NotSupportedError} when the select is raw SQL, which can't be given its tenant */
  override select(query: unknown): never {
    const select =
      typeof query === 'function' ? (query as (builder: QueryBuilder) => unknown)(new QueryBuilder(this.#dialect.asPgDialect)) : query;
    if (!is(select, PgSelectQueryBuilderBase)) {
      throw new NotSupportedError(`insert into ${rangeNameOf(this.#table)} from a raw select can't be given its tenant.`, {
        hint: 'Build the select with tenancy.db.select() or the callback’s query builder.',
      });
    }
    const config = { table: this.#table, values: select as never, withList: this.#withList ?? [], select: true };
    return new TenantInsert(config, this.#session, this.#dialect) as never;
  }
}
