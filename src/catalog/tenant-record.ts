import type { Tenant } from '../tenant/tenant.ts';
import type { Cluster } from './cluster.ts';
import type { Placement } from './placement.ts';

/** Where one of a tenant's KEKs lives: residency is decided by it too. */
export interface KeyLocation {
  readonly provider: string;
  readonly region: string;
}

/** Everything that routing needs of one tenant, read from the catalog in one statement. */
export interface TenantRecord {
  readonly tenant: Tenant;
  readonly placement: Placement;
  readonly cluster: Cluster;
  /** The key managers and regions of the KEKs that wrap the tenant's keys; empty before it has any. */
  readonly keyLocations: readonly KeyLocation[];
}
