import type { WrappedTenantKeys } from '../catalog/wrapped-tenant-keys.ts';

/** Where wrapped keys come from: the catalog. */
export interface WrappedKeySource {
  /** @throws {UnknownTenantError} when there is no such tenant or its keys are shredded */
  load(tenantId: string, signal?: AbortSignal): Promise<WrappedTenantKeys>;
}
