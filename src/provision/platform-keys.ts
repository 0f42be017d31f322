import type { ContextMaster } from '../catalog/context-master.ts';
import type { Kek, KeyStore } from '../catalog/key-store.ts';
import { ResidencyError } from '../errors.ts';
import { contextMasterContext } from '../keys/key-context.ts';
import type { KeyManager, KeyProtection } from '../kms/key-manager.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import type { Tenant } from '../tenant/tenant.ts';

/** The KEKs of the platform and its tenants: one platform KEK per key manager, and per tenant where its tier says so. */
export class PlatformKeys {
  readonly #store: KeyStore;
  readonly #managers: KeyManagers;

  constructor(parts: { readonly store: KeyStore; readonly managers: KeyManagers }) {
    this.#store = parts.store;
    this.#managers = parts.managers;
  }

  /** Makes what `init` needs: the platform KEK of the primary manager and the first context master. @returns whether anything was made */
  async ensure(): Promise<boolean> {
    const before = await this.#store.contextMasters();
    const kek = await this.platformKek(this.#managers.primary);
    if (before.length > 0) return false;
    const { wrapped } = await this.#managers.primary.generateDataKey(kek.keyRef, contextMasterContext);
    return await this.#store.insertContextMaster('k1', wrapped);
  }

  /** A context master under the next free id, recorded nowhere yet. */
  async nextContextMaster(): Promise<Pick<ContextMaster, 'keyId' | 'wrapped'>> {
    const numbers = (await this.#store.contextMasters()).map(({ keyId }) => Number(/^k(\d+)$/.exec(keyId)?.[1] ?? 0));
    const kek = await this.platformKek(this.#managers.primary);
    const { wrapped } = await this.#managers.primary.generateDataKey(kek.keyRef, contextMasterContext);
    return { keyId: `k${Math.max(0, ...numbers) + 1}`, wrapped };
  }

  /**
   * The key manager that may keep a tenant's keys: one in its own region, else in another that it allows. A tier whose keys belong in an HSM
   * gets one that has it, if any of those regions does.
   *
   * @throws {ResidencyError} when none stands in an allowed region
   */
  managerOf(tenant: Pick<Tenant, 'id' | 'tier' | 'region' | 'dataResidency'>): KeyManager {
    const manager = this.#managers.in([tenant.region, ...tenant.dataResidency], protectionOf(tenant.tier));
    if (manager !== undefined) return manager;
    const regions = this.#managers.regions.join(', ');
    throw new ResidencyError(
      `No key manager stands in a region that tenant "${tenant.id}" allows (${tenant.dataResidency.join(', ')}); there are some in ${regions}.`,
      {
        tenantId: tenant.id,
        region: regions,
        allowedRegions: tenant.dataResidency,
        hint: 'Add a key manager of an allowed region to the kms option.',
      },
    );
  }

  /**
   * The KEK that wraps a tenant's data keys, by its tier's key policy; made when there is none yet.
   *
   * @throws {ResidencyError} when no key manager stands in an allowed region
   * @throws {KeyManagerError} when the manager can't make the key
   */
  async kekOf(tenant: Pick<Tenant, 'id' | 'tier' | 'region' | 'dataResidency'>): Promise<Kek> {
    const manager = this.managerOf(tenant);
    if (tenant.tier.keyPolicy === 'platform') return await this.platformKek(manager);
    const existing = await this.#store.activeKek(tenant.id);
    if (existing !== undefined) return existing;
    return await this.#make(manager, tenant.id, protectionOf(tenant.tier));
  }

  /** The platform's KEK in a key manager; made when there is none yet. */
  async platformKek(manager: KeyManager): Promise<Kek> {
    return (await this.#store.activeKek(undefined, manager.provider)) ?? (await this.#make(manager, undefined, 'software'));
  }

  async #make(manager: KeyManager, tenantId: string | undefined, protection: KeyProtection): Promise<Kek> {
    const keyRef = await manager.createKey({ tenantId: tenantId ?? 'platform', protection });
    const { region } = await manager.describe(keyRef);
    return await this.#store.insertKek({ provider: manager.provider, keyRef, region, protection, tenantId });
  }
}

function protectionOf({ keyPolicy }: Tenant['tier']): KeyProtection {
  return keyPolicy === 'tenant-hsm' ? 'hsm' : 'software';
}
