import type { Sql } from 'postgres';

/** What a catalog query is about, for the message of the error when it fails. Ids only. */
export interface CatalogAttempt {
  /** Completes "The catalog failed while …": `reading the tenant tenant-100`. */
  readonly doing: string;
  readonly tenantId?: string | undefined;
}

/** A catalog connection or an open transaction on it: what every store works through. */
export interface CatalogSession {
  /**
   * Runs one query.
   *
   * @throws {CatalogError} instead of whatever the driver threw; it holds no parameter
   */
  query<T>(attempt: CatalogAttempt, run: (sql: Sql) => PromiseLike<T>): Promise<T>;
}
