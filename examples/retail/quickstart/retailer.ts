import type { Placement, TenantConfig } from '@godseye/tenancy';
import type { RetailTenancy } from './retail-tenancy.ts';

/** A retailer that stands: its configuration, where it is, and the service that serves it. */
export interface Retailer {
  readonly id: string;
  readonly config: TenantConfig;
  readonly placement: Placement;
  readonly tenancy: RetailTenancy;
}
