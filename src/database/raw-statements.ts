import { type SQL, sql } from 'drizzle-orm';
import type { Binding } from './binding.ts';
import type { CompiledQuery } from './compiled-query.ts';
import type { CopyToOptions } from './copy-options.ts';
import type { QueryExecutor } from './query-executor.ts';
import { readCursor } from './raw-cursor.ts';
import type { RawRunner } from './raw-query.ts';
import { type TenantRows, tenantRows } from './tenant-rows.ts';

/** Runs what the caller wrote, as one tenant or in one transaction, under the tenant's search_path. */
export class RawStatements implements RawRunner {
  readonly #executor: QueryExecutor;
  readonly #binding: Binding;
  readonly #compile: (query: SQL) => CompiledQuery;

  constructor(executor: QueryExecutor, binding: Binding, compile: (query: SQL) => CompiledQuery) {
    this.#executor = executor;
    this.#binding = binding;
    this.#compile = compile;
  }

  async run<T>(query: SQL, signal?: AbortSignal): Promise<TenantRows<T>> {
    return this.#executor.execute(this.#binding, {
      query: this.#compile(query),
      values: {},
      rows: 'object',
      raw: true,
      signal,
      map: (result) => tenantRows<T>(result),
    });
  }

  cursor<T>(query: SQL, size: number, signal?: AbortSignal): AsyncGenerator<TenantRows<T>, void, void> {
    return readCursor<T>({ executor: this.#executor, binding: this.#binding, compile: this.#compile }, query, size, signal);
  }

  copyTo(query: SQL, options: CopyToOptions): AsyncGenerator<Uint8Array, void, void> {
    const inlined = this.#compile(sql`${query}`.inlineParams());
    return this.#executor.copy(this.#binding, this.#compile(query), inlined, options);
  }
}
