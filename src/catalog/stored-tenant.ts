import type { Tenant } from '../tenant/tenant.ts';
import type { Cluster } from './cluster.ts';
import type { Placement } from './placement.ts';
import type { KeyLocation } from './tenant-record.ts';

/** A tenant as its row in the catalog has it: without a placement until provisioning has chosen one. */
export interface StoredTenant {
  readonly tenant: Tenant;
  readonly placement: Placement | undefined;
  readonly cluster: Cluster | undefined;
  readonly keyLocations: readonly KeyLocation[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
