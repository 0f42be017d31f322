/** How far a tenant's rows are kept from others': a shared schema, a schema of its own, or a database of its own. */
export type Isolation = 'row' | 'schema' | 'database';

/** Whose key wraps a tenant's data keys: the platform's, the tenant's own, or the tenant's own in an HSM. */
export type KeyPolicy = 'platform' | 'tenant' | 'tenant-hsm';

/** What a tier promises its tenants. Tiers are data: a platform may define its own. */
export interface Tier {
  /** The same as its key in {@link Tiers}. */
  readonly name: string;
  /** How its tenants' rows are kept apart. */
  readonly isolation: Isolation;
  /** Whose KEK wraps its tenants' data keys (docs/encryption.md, "Keys"). */
  readonly keyPolicy: KeyPolicy;
  /** Whether its tenants are placed only on clusters that are reserved for dedicated use. */
  readonly dedicatedCluster: boolean;
  /** Who is served first under contention: the higher number. */
  readonly priority: number;
  /** How many lanes one tenant of this tier may hold at a time, in one process. */
  readonly maxLanes: number;
}

/** Tiers by name. Services and the control plane of one platform need the same. */
export type Tiers = Readonly<Record<string, Tier>>;

/** The tiers that hold unless `tiers` replaces them: `standard`, `enterprise`, `premium` (docs/concepts.md, "Isolation and tiers"). */
export const defaultTiers: Tiers = Object.freeze({
  standard: Object.freeze({
    name: 'standard',
    isolation: 'schema',
    keyPolicy: 'platform',
    dedicatedCluster: false,
    priority: 0,
    maxLanes: 4,
  }),
  enterprise: Object.freeze({
    name: 'enterprise',
    isolation: 'database',
    keyPolicy: 'tenant',
    dedicatedCluster: false,
    priority: 1,
    maxLanes: 8,
  }),
  premium: Object.freeze({
    name: 'premium',
    isolation: 'database',
    keyPolicy: 'tenant-hsm',
    dedicatedCluster: true,
    priority: 2,
    maxLanes: 16,
  }),
});
