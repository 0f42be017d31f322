import type { TenancyError } from '../errors.ts';

/** Which columns of which tenants `control.columns` is to look after. */
export interface ColumnScope {
  /** The services' drizzle schema, as `import * as schema` gives it; every tenant table in it counts. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** Only these columns, each as `table.column` with its name in the database; all that adopt a plaintext column or have an index unless told. */
  readonly columns?: readonly string[] | undefined;
  /** Only these tenants; all that are active or suspended unless told. */
  readonly tenants?: readonly string[] | undefined;
  /** Ends it: a backfill after the batch that is under way, everything else before the next tenant. Running it again goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

/** How {@link ColumnPlane.backfill} goes about it. */
export interface ColumnBackfillOptions extends ColumnScope {
  /** A person's or a job's name, as the audit log should show it. */
  readonly actor?: string | undefined;
  /** Rows in one transaction, from 1 to 10,000; 200 unless told. */
  readonly batchSize?: number | undefined;
  /** At most so many rows a second; as many as go unless told. */
  readonly rowsPerSecond?: number | undefined;
  readonly onProgress?: ((progress: ColumnBackfillProgress) => void) | undefined;
}

/** How {@link ColumnPlane.contract} goes about it. */
export interface ColumnContractOptions extends ColumnScope {
  /** A person's or a job's name, as the audit log should show it. */
  readonly actor?: string | undefined;
}

/** How far the rows of one tenant have come. */
export interface ColumnBackfillProgress {
  readonly tenantId: string;
  /** `table.column`. */
  readonly column: string;
  /** The tenant's rows that were filled so far, and those that there were to do. */
  readonly done: number;
  readonly total: number;
}

/** What was found or done for one tenant. */
export interface TenantColumns<T> {
  readonly tenantId: string;
  /** Empty when it failed. */
  readonly columns: readonly T[];
  /** Why nothing, or not everything, was done; undefined when it did not fail. It names no value. */
  readonly error: TenancyError | undefined;
}

/** One encrypted column of one tenant. */
export interface ColumnStatus {
  /** `table.column`. */
  readonly column: string;
  /** The plaintext column that it takes over, and which of the two services write; undefined when it takes over none. */
  readonly adopts: { readonly column: string; readonly write: 'plaintext' | 'encrypted' } | undefined;
  /** Rows that are still in plaintext. */
  readonly plaintext: number;
  /** Rows that are encrypted. */
  readonly encrypted: number;
  /** Rows that are encrypted and that the blind index does not find. */
  readonly untagged: number;
  /** Whether PostgreSQL refuses every plaintext from now on; in a pool, for all tenants of its schema. */
  readonly contracted: boolean;
}

/** Why a row was left as it was: somebody has to look at it. */
export type LeftReason =
  | 'unconvertible' // the encrypted column's type can't hold the value exactly
  | 'conflicting' // another row has an equal value, and the column is unique
  | 'unreadable'; // its ciphertext does not open at its place

/** A row that was left as it was. */
export interface LeftRow {
  /** Its primary key without tenant_id, each part as text. */
  readonly key: Readonly<Record<string, string>>;
  readonly reason: LeftReason;
}

/** What a backfill did to one column of one tenant. */
export interface ColumnBackfill {
  /** `table.column`. */
  readonly column: string;
  /** Plaintexts that this run encrypted. */
  readonly encrypted: number;
  /** Encrypted values that this run only gave their tag. */
  readonly tagged: number;
  /** Rows that others held or wrote all the time: run it again. */
  readonly remaining: number;
  /** Rows that stay as they are until somebody looks at them, by reason. */
  readonly unconvertible: number;
  readonly conflicting: number;
  readonly unreadable: number;
  /** The first 100 of those. */
  readonly left: readonly LeftRow[];
}

/** What a backfill did. */
export interface ColumnBackfillReport {
  readonly tenants: readonly TenantColumns<ColumnBackfill>[];
  /** How many tenants have an error. */
  readonly failed: number;
  /** Whether no tenant failed and no row is left. */
  readonly done: boolean;
}

/** A column that can hold no plaintext any more. */
export interface ColumnContract {
  /** `table.column`. */
  readonly column: string;
  /** The plaintext column that is empty for good. */
  readonly from: string;
  /** The name of the check that sees to it. */
  readonly constraint: string;
  /** Whether this run made it so. */
  readonly changed: boolean;
}

/** What contracting did. */
export interface ColumnContractReport {
  readonly tenants: readonly TenantColumns<ColumnContract>[];
  /** How many tenants have an error. */
  readonly failed: number;
}
