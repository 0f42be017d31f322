import type { KeyObject } from 'node:crypto';

/** One tenant's unwrapped keys, held in memory; `inspect` and `toJSON` show no material. */
export interface TenantKeys {
  readonly tenantId: string;
  /** The version that new values are encrypted with. */
  readonly currentVersion: number;
  /** The data key (32 bytes) of a version, or undefined when the tenant has none of that version. */
  dataKey(version: number): KeyObject | undefined;
  /** The HMAC key (32 bytes) of one column's blind index; independent of data key rotation. */
  indexKey(table: string, column: string): KeyObject;
}
