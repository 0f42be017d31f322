import type { TenantConfig } from './tenant-config.ts';
import type { TenantId } from './tenant-id.ts';
import type { Tier } from './tier.ts';

/** Where a tenant is in its life. Only `active` ones are served. */
export type TenantStatus = 'provisioning' | 'active' | 'suspended' | 'offboarded';

/** A tenant as a service sees it, from the catalog; frozen. */
export interface Tenant {
  /** What `tenancy.run` takes. */
  readonly id: TenantId;
  /** What people call it; no key to anything. */
  readonly name: string;
  /** Its tier as this process's `tiers` define it. */
  readonly tier: Tier;
  /** The region that its data lives in. */
  readonly region: string;
  /** Every region in which its data may be stored or processed; holds `region`. */
  readonly dataResidency: readonly string[];
  /** `active` in every scope: others are refused with {@link TenantInactiveError}. */
  readonly status: TenantStatus;
  /** Features, branding, integrations, compliance and AI settings, as its configuration file gave them. */
  readonly config: TenantConfig;
}
