import type { TenantKeys } from '../crypto/tenant-keys.ts';

/** The unwrapped keys of the tenants that a process serves, fetched when first needed and kept for a bounded time. */
export interface KeyRing {
  /** A tenant's keys if they are in memory and fresh: the synchronous path of every query after the first. */
  cached(tenantId: string): TenantKeys | undefined;
  /** A tenant's keys, unwrapped by the key manager when they are not in memory; concurrent calls share one unwrap. */
  load(tenantId: string, signal?: AbortSignal): Promise<TenantKeys>;
  /** Forgets a tenant's keys (after rotation, suspension, shredding). */
  evict(tenantId: string): void;
  close(): Promise<void>;
}
