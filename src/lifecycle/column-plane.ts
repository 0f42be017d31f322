import type {
  ColumnBackfillOptions,
  ColumnBackfillReport,
  ColumnContractOptions,
  ColumnContractReport,
  ColumnScope,
  ColumnStatus,
  TenantColumns,
} from './column-reports.ts';

/**
 * Encrypted columns of tables that have rows already: taking over plaintext columns, and tags for blind indexes, while services run
 * (docs/encryption.md, "Taking over a plaintext column"). The services' drizzle schema says which columns. One tenant after the other: what
 * goes wrong with one does not throw and stops no other, look at `error`. Every method throws {@link ConfigurationError} when the schema has no
 * tenant table or not the columns that are named, {@link UnknownTenantError} when a named tenant is none, and {@link AbortedError} when
 * the signal fired.
 */
export interface ColumnPlane {
  /**
   * How many rows of each column are in plaintext, encrypted, or without a tag. Reads every row's columns once; opens no key.
   *
   * @example
   * ```ts
   * const tenants = await control.columns.status({ schema });
   * ```
   */
  status(scope: ColumnScope): Promise<readonly TenantColumns<ColumnStatus>[]>;
  /**
   * Encrypts what is in plaintext and makes the tags that are missing, a batch of rows a transaction. Rows that somebody holds or changes are
   * left for the next pass: nobody waits, no write is lost. Killed or aborted at any point, the same call goes on. Recorded in the audit
   * log before and after.
   *
   * @throws {ConfigurationError} while the declaration of a column says `write: 'plaintext'`, or for options that make no sense
   * @returns what was done; a tenant's `error` is a retryable {@link CatalogError} while another process changes its keys, and a
   *   {@link CatalogError} when it is not active or suspended, its keys were shredded, or its schema lacks a column
   * @example
   * ```ts
   * import * as schema from './schema.ts';
   * const { done, tenants } = await control.columns.backfill({ schema, actor: 'ada', rowsPerSecond: 1_000 });
   * if (!done) console.warn(tenants.flatMap(({ columns }) => columns.flatMap(({ left }) => left)));
   * ```
   */
  backfill(options: ColumnBackfillOptions): Promise<ColumnBackfillReport>;
  /**
   * Adds a check to every table that keeps the plaintext column empty, so that it can be dropped; safe to run again. Recorded in the audit
   * log before and after. Old versions of rows keep their plaintext until they are overwritten, WAL and backups until they expire.
   *
   * @throws {ConfigurationError} while the declaration of a column says `write: 'plaintext'`
   * @returns what was done; a tenant's `error` is a {@link CatalogError} when rows are in plaintext, in a pool any tenant's; a retryable one
   *   when its schema is just being migrated
   * @example
   * ```ts
   * const { failed } = await control.columns.contract({ schema, actor: 'ada' });
   * ```
   */
  contract(options: ColumnContractOptions): Promise<ColumnContractReport>;
}
