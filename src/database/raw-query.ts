import { entityKind, QueryPromise, type SQL } from 'drizzle-orm';
import type { TenantRows } from './tenant-rows.ts';

/** What raw statements run on: the session that they were made in. */
export interface RawRunner {
  raw<T>(query: SQL): Promise<TenantRows<T>>;
}

/**
 * A raw statement of one tenant's scope, as `tenancy.sql` makes it. It runs when it is awaited, each time anew, and may be put into
 * another raw statement, where it is a fragment.
 *
 * @example
 * ```ts
 * const few = tenancy.sql`stock < ${5}`;
 * const rows = await tenancy.sql`select sku from products where ${few}`;
 * ```
 */
export class RawQuery<T = Record<string, unknown>> extends QueryPromise<TenantRows<T>> {
  static override readonly [entityKind]: string = 'TenancyRawQuery';
  readonly #query: SQL;
  readonly #session: RawRunner;

  constructor(query: SQL, session: RawRunner) {
    super();
    this.#query = query;
    this.#session = session;
  }

  /** Runs it; what `await` calls. */
  override async execute(): Promise<TenantRows<T>> {
    return this.#session.raw<T>(this.#query);
  }

  /** As a fragment it brings its text and values, and not its tenant: the statement around it decides whose it is. */
  getSQL(): SQL {
    return this.#query;
  }

  /** Tells drizzle to put it in without parentheses. */
  shouldOmitSQLParens(): boolean {
    return true;
  }
}
