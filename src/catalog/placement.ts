import type { Isolation } from '../tenant/tier.ts';

/** Where one tenant's rows are. The epoch grows by one at each move. */
export interface Placement {
  readonly tenantId: string;
  readonly clusterId: string;
  readonly database: string;
  readonly schema: string;
  readonly isolation: Isolation;
  readonly epoch: number;
  /** The newest migration that this tenant's tables have; part of every statement's identity. */
  readonly schemaVersion: string;
}
