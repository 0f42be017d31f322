import type { Placement } from '../catalog/placement.ts';
import type { Tenant } from '../tenant/tenant.ts';

/** The steps of onboarding, in order. */
export type ProvisionStep = 'record' | 'keys' | 'database' | 'schema' | 'migrate' | 'policies' | 'activate';

export interface ProvisionOptions {
  /** The cluster to place the tenant on; chosen by region, tier and load unless told. */
  readonly clusterId?: string | undefined;
  readonly actor?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: ProvisionStep) => void) | undefined;
}

export interface ProvisionReport {
  readonly tenant: Tenant;
  readonly placement: Placement;
  /** False when the tenant stood already and nothing was done. */
  readonly created: boolean;
  readonly durationMs: number;
}
