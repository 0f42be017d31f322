import type { Placement } from '../catalog/placement.ts';
import type { UnitContext } from '../connection/lane.ts';
import type { LanePool } from '../connection/lane-pool.ts';
import type { Tenant } from '../tenant/tenant.ts';

/** Where one tenant's statements go and as whom: decided by residency and the catalog before any connection opens. */
export interface Route {
  readonly tenant: Tenant;
  readonly placement: Placement;
  readonly pool: LanePool;
  /** The schema of reference tables in every tenant database. */
  readonly referenceSchema: string;
  /** The context of an ORM statement: no search_path, no cleaning. */
  readonly context: UnitContext;
  /** The context of raw SQL: the tenant's search_path, and the session is cleaned afterwards. */
  readonly rawContext: UnitContext;
}

/** Tenant → tier → placement → pool. */
export interface Router {
  /** The route if the catalog's answer is in memory and fresh. */
  cached(tenantId: string): Route | undefined;
  /**
   * @throws {UnknownTenantError} {@link TenantInactiveError} {@link ResidencyError} {@link LoginRefusedError}
   */
  route(tenantId: string, signal?: AbortSignal): Promise<Route>;
  close(): Promise<void>;
}
