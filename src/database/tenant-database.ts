import type { SQL, SQLWrapper, Subquery } from 'drizzle-orm';
import type { PgTable, PgTransactionConfig } from 'drizzle-orm/pg-core';
import { NotSupportedError } from '../errors.ts';
import type { BoundDatabase } from './bound-database.ts';

type Selection = Parameters<BoundDatabase['select']>[0];

/**
 * `tenancy.db`: one object for the whole service, which looks up the current scope (or its open transaction) at every use. Services see
 * it under drizzle's type; these methods only pass on.
 */
export class TenantDatabase {
  readonly #current: () => BoundDatabase;

  constructor(current: () => BoundDatabase) {
    this.#current = current;
  }

  get _(): BoundDatabase['_'] {
    return this.#current()._;
  }
  get query(): BoundDatabase['query'] {
    return this.#current().query;
  }

  select(fields?: Selection): unknown {
    return this.#current().select(fields as never);
  }
  selectDistinct(fields?: Selection): unknown {
    return this.#current().selectDistinct(fields as never);
  }
  selectDistinctOn(on: never, fields?: Selection): unknown {
    return this.#current().selectDistinctOn(on, fields as never);
  }
  insert(table: PgTable): unknown {
    return this.#current().insert(table);
  }
  update(table: PgTable): unknown {
    return this.#current().update(table);
  }
  delete(table: PgTable): unknown {
    return this.#current().delete(table);
  }
  with(...ctes: Subquery[]): unknown {
    return this.#current().with(...ctes);
  }
  $with(alias: string, selection?: never): unknown {
    return this.#current().$with(alias, selection as never);
  }
  $count(source: PgTable | SQL | SQLWrapper, filters?: SQL): unknown {
    return this.#current().$count(source, filters);
  }
  execute(query: SQLWrapper | string): unknown {
    return this.#current().execute(query);
  }

  async transaction<T>(callback: (tx: never) => Promise<T>, config?: PgTransactionConfig): Promise<T> {
    return this.#current().transaction(callback as never, config);
  }

  refreshMaterializedView(): never {
    return this.#current().refreshMaterializedView();
  }

  /** @throws {NotSupportedError} always */
  get $client(): never {
    throw new NotSupportedError('There is no client to reach past the scope.', { hint: 'Use tenancy.sql for raw SQL.' });
  }
}
