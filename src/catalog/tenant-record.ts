import type { Tenant } from '../tenant/tenant.ts';
import type { Cluster } from './cluster.ts';
import type { Placement } from './placement.ts';

/** Everything that routing needs of one tenant, read from the catalog in one statement. */
export interface TenantRecord {
  readonly tenant: Tenant;
  readonly placement: Placement;
  readonly cluster: Cluster;
}
