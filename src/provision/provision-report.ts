import type { Placement } from '../catalog/placement.ts';
import type { Tenant } from '../tenant/tenant.ts';

/** The steps of onboarding, in order. Policies are installed within `migrate`; `policies` is not announced apart. */
export type ProvisionStep = 'record' | 'keys' | 'database' | 'schema' | 'migrate' | 'policies' | 'activate';

/** What `provision` takes beside the configuration. */
export interface ProvisionOptions {
  /** The cluster to place the tenant on; chosen by region, tier and load unless told. */
  readonly clusterId?: string | undefined;
  /** Who does this, for the audit log. */
  readonly actor?: string | undefined;
  /** Ends it before the next step, and what this run made in the cluster is dropped. */
  readonly signal?: AbortSignal | undefined;
  /** Called as each step begins; not at all for a tenant that stands. */
  readonly onStep?: ((step: ProvisionStep) => void) | undefined;
}

/** What `provision` made or found. */
export interface ProvisionReport {
  /** The tenant, `active`. */
  readonly tenant: Tenant;
  /** Where its rows are. */
  readonly placement: Placement;
  /** False when the tenant stood already and nothing was done. */
  readonly created: boolean;
  /** Milliseconds. */
  readonly durationMs: number;
}
