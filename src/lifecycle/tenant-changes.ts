import type { Auditor } from '../audit/auditor.ts';
import type { TenantStore } from '../catalog/tenant-store.ts';
import { TenancyError } from '../errors.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { parseTenantConfig } from '../tenant/tenant-config.ts';
import type { TenantId } from '../tenant/tenant-id.ts';

/** Changes of tenants that stand: recorded before they are made, and after with how they ended. */
export class TenantChanges {
  readonly #tenants: TenantStore;
  readonly #auditor: Auditor;

  constructor(parts: { readonly tenants: TenantStore; readonly auditor: Auditor }) {
    this.#tenants = parts.tenants;
    this.#auditor = parts.auditor;
  }

  /**
   * Replaces a tenant's configuration.
   *
   * @throws {TenantConfigError} when it can't be used
   * @throws {UnknownTenantError} when there is no such tenant
   * @throws {CatalogError} when it names another tier or region
   */
  async updateConfig(value: unknown, actor?: string): Promise<Tenant> {
    const config = parseTenantConfig(value);
    return await this.#change(config.id, 'configuration update', actor, async () => await this.#tenants.updateConfig(config));
  }

  /** @throws {CatalogError} when the status that the tenant has does not lead there */
  async setStatus(tenantId: TenantId, status: 'active' | 'suspended', actor?: string): Promise<Tenant> {
    return await this.#change(tenantId, `status ${status}`, actor, async () => {
      await this.#tenants.setStatus(tenantId, status);
    });
  }

  async #change(tenantId: TenantId, reason: string, actor: string | undefined, action: () => Promise<void>): Promise<Tenant> {
    await this.#tenants.require(tenantId);
    const entry = { action: 'tenant', targetTenantId: tenantId, reason, actor } as const;
    await this.#auditor.record({ ...entry, outcome: 'allowed' });
    try {
      await action();
    } catch (error) {
      await this.#auditor.record({ ...entry, outcome: 'failed', errorCode: error instanceof TenancyError ? error.code : undefined });
      throw error;
    }
    await this.#auditor.record({ ...entry, outcome: 'completed' });
    return (await this.#tenants.require(tenantId)).tenant;
  }
}
