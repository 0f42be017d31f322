import { entityKind, type Query } from 'drizzle-orm';
import { PgPreparedQuery, type PreparedQueryConfig, type SelectedFieldsOrdered } from 'drizzle-orm/pg-core';
import type { StatementResult } from '../connection/statement.ts';
import type { Binding } from './binding.ts';
import type { CompiledQuery } from './compiled-query.ts';
import type { QueryExecutor } from './query-executor.ts';
import { tenantRows } from './tenant-rows.ts';

/** Maps rows (columns in order) to what the caller gets; relational queries bring one. */
export type ResultMapper = (rows: unknown[][]) => unknown;

/** A compiled query and whose it is; every execution is judged anew. */
export class TenantPreparedQuery<T extends PreparedQueryConfig = PreparedQueryConfig> extends PgPreparedQuery<T> {
  static override readonly [entityKind]: string = 'TenancyPreparedQuery';
  /** Set by drizzle's builders: which joined objects may become null. */
  joinsNotNullableMap: Record<string, boolean> | undefined;
  readonly #executor: QueryExecutor;
  readonly #binding: Binding;
  readonly #query: CompiledQuery;
  readonly #fields: SelectedFieldsOrdered | undefined;
  readonly #mapper: ResultMapper | undefined;

  constructor(
    executor: QueryExecutor,
    binding: Binding,
    query: CompiledQuery,
    fields: SelectedFieldsOrdered | undefined,
    mapper: ResultMapper | undefined,
  ) {
    super(query as Query, undefined, undefined, undefined);
    this.#executor = executor;
    this.#binding = binding;
    this.#query = query;
    this.#fields = fields;
    this.#mapper = mapper;
  }

  override async execute(values: Record<string, unknown> = {}): Promise<T['execute']> {
    const mapped = this.#fields !== undefined || this.#mapper !== undefined;
    return this.#executor.execute(this.#binding, {
      query: this.#query,
      values,
      rows: mapped ? 'array' : 'object',
      raw: false,
      map: (result) => this.#map(result),
    });
  }

  #map(result: StatementResult): T['execute'] {
    if (this.#mapper !== undefined) return this.#mapper(result.rows as unknown[][]);
    const fields = this.#fields;
    if (fields === undefined) return tenantRows(result);
    return this.#query.shape.rowMapper(fields, this.joinsNotNullableMap).map(result.rows as unknown[][], fields);
  }
}
