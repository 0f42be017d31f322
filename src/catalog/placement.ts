import type { Isolation } from '../tenant/tier.ts';

/** Where one tenant's rows are. The epoch grows by one at each move. */
export interface Placement {
  /** Whose rows. */
  readonly tenantId: string;
  /** The id of a {@link Cluster}. */
  readonly clusterId: string;
  /** The database on it: the cluster's shared one, or the tenant's own. */
  readonly database: string;
  /** The schema of the tenant's tables: `pool` under `row` isolation, else its own (`schemaNameOf`). */
  readonly schema: string;
  /** Its tier's, as it was when the tenant was placed. */
  readonly isolation: Isolation;
  /** From 1; grows by one at each move. */
  readonly epoch: number;
  /** The newest migration that this tenant's tables have; empty before the first. */
  readonly schemaVersion: string;
}
