import { KeyLifeStore, type Rewrapped, type StoredKek, type StoredKey } from '../catalog/key-life-store.ts';
import { ProcessStore } from '../catalog/process-store.ts';
import { CatalogError, ConfigurationError, KeyManagerError, ResidencyError } from '../errors.ts';
import { contextOf, requireSameKey } from '../keys/open-tenant-keys.ts';
import type { KeyManager, KeyProtection } from '../kms/key-manager.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { withKeyLock } from './key-lock.ts';
import { followed, type KeyLifeParts, recorded, requireStanding } from './key-parts.ts';
import type { KeyMoveOptions, KeyMoveReport } from './key-reports.ts';

/** Where keys are to be: a KEK of the tenant's own, or the platform's in that key manager. */
interface Target {
  readonly manager: KeyManager;
  readonly protection: KeyProtection | undefined;
}

/**
 * Wraps a tenant's keys anew, under another KEK or under the newest version of the one that they have. No row is rewritten. Policy,
 * residency and the services' key managers are checked before anything is made; the catalog changes in one transaction.
 */
export class KeyMove {
  readonly #parts: KeyLifeParts;
  readonly #keys: KeyLifeStore;
  readonly #processes: ProcessStore;

  constructor(parts: KeyLifeParts) {
    this.#parts = parts;
    this.#keys = new KeyLifeStore(parts.catalog);
    this.#processes = new ProcessStore(parts.catalog);
  }

  /** Under the newest version of the KEK that wraps them now. */
  async rewrap(tenantId: string, actor: string | undefined): Promise<KeyMoveReport> {
    const stored = await this.#parts.tenants.require(tenantId);
    requireStanding(stored);
    return await this.#recorded(tenantId, 'rewrap', actor, async () => {
      const keys = await this.#keys.keys(tenantId);
      const current = await this.#kekOf(tenantId, keys);
      return await this.#wrapUnder(tenantId, keys, current, current);
    });
  }

  /** Under a KEK that is known already, such as the platform's newest. */
  async rewrapUnder(tenantId: string, kek: StoredKek): Promise<void> {
    await withKeyLock(this.#parts.catalogUrl, tenantId, async () => {
      const keys = await this.#keys.keys(tenantId);
      if (keys.length > 0) await this.#wrapUnder(tenantId, keys, kek, kek);
    });
  }

  /** Under another KEK. */
  async move(tenantId: string, options: KeyMoveOptions = {}): Promise<KeyMoveReport> {
    const stored = await this.#parts.tenants.require(tenantId);
    requireStanding(stored);
    return await this.#recorded(tenantId, 'move', options.actor, async () => {
      const keys = await this.#keys.keys(tenantId);
      const current = await this.#kekOf(tenantId, keys);
      const target = this.#targetOf(stored.tenant, current, options);
      await this.#requireServices(tenantId, target.manager.provider);
      const kek = await this.#kekFor(stored.tenant, keys, current, target);
      const report = await this.#wrapUnder(tenantId, keys, current, kek);
      return options.disableOld === true ? { ...report, ...(await this.#disableFormer(tenantId, options.waitMs)) } : report;
    });
  }

  async #recorded(tenantId: string, reason: string, actor: string | undefined, work: () => Promise<KeyMoveReport>): Promise<KeyMoveReport> {
    return await withKeyLock(
      this.#parts.catalogUrl,
      tenantId,
      async () =>
        await recorded(this.#parts.auditor, { targetTenantId: tenantId, reason, actor }, work, ({ rewrapped, from, to }) => ({
          rewrapped,
          from: `${from.provider} ${from.keyRef}`,
          to: `${to.provider} ${to.keyRef}`,
        })),
    );
  }

  /** @throws {ConfigurationError} for less than the tier asks for @throws {ResidencyError} for a region that the tenant does not allow */
  #targetOf(tenant: Tenant, current: StoredKek, { provider, protection }: KeyMoveOptions): Target {
    const { keyPolicy, name } = tenant.tier;
    const manager = this.#parts.managers.for(provider ?? current.provider);
    if (keyPolicy === 'tenant-hsm' && protection === 'software') {
      throw new ConfigurationError(
        `The tier ${name} of tenant ${tenant.id} asks for a KEK in an HSM: its keys are not moved to software.`,
        {
          tenantId: tenant.id,
          hint: 'Leave protection out, or say hsm.',
        },
      );
    }
    requireRegion(tenant, manager.provider, manager.region);
    return { manager, protection: protection ?? (keyPolicy === 'platform' ? undefined : keyPolicy === 'tenant-hsm' ? 'hsm' : 'software') };
  }

  /** A service without the key manager could open nothing any more. */
  async #requireServices(tenantId: string, provider: string): Promise<void> {
    const without = (await this.#processes.known()).filter(({ providers }) => !providers.includes(provider));
    if (without.length === 0) return;
    throw new CatalogError(
      `The keys of tenant ${tenantId} were not moved to ${provider}: ${without.map(({ name }) => name).join(', ')} have no such key manager.`,
      { tenantId, retryable: true, hint: 'Add it to the kms option of every service first; one that has ended is forgotten by itself.' },
    );
  }

  async #kekOf(tenantId: string, keys: readonly StoredKey[]): Promise<StoredKek> {
    const current = keys.findLast(({ purpose, state }) => purpose === 'data' && state === 'active');
    const kek = (await this.#keys.keks(tenantId)).find(({ id }) => id === current?.kekId);
    if (kek === undefined) throw new CatalogError(`The tenant ${tenantId} has no keys to wrap anew.`, { tenantId });
    return kek;
  }

  /** The platform's KEK there; the tenant's own if it is where it should be already; one that an earlier run made; or a new one. */
  async #kekFor(tenant: Tenant, keys: readonly StoredKey[], current: StoredKek, { manager, protection }: Target): Promise<StoredKek> {
    if (protection === undefined) return { ...(await this.#parts.platformKeys.platformKek(manager)), state: 'active' };
    const fits = (kek: StoredKek): boolean =>
      kek.tenantId === tenant.id && kek.provider === manager.provider && kek.protection === protection;
    if (fits(current) && keys.every(({ kekId }) => kekId === current.id)) return current;
    const pending = (await this.#keys.keks(tenant.id)).find((kek) => kek.state === 'pending' && fits(kek));
    if (pending !== undefined) return pending;
    const keyRef = await manager.createKey({ tenantId: tenant.id, protection });
    const { region } = await manager.describe(keyRef);
    requireRegion(tenant, manager.provider, region);
    return await this.#keys.insertPendingKek({ provider: manager.provider, keyRef, region, protection, tenantId: tenant.id });
  }

  async #wrapUnder(tenantId: string, keys: readonly StoredKey[], from: StoredKek, to: StoredKek): Promise<KeyMoveReport> {
    const target = this.#parts.managers.for(to.provider);
    const rewrapped: Rewrapped[] = [];
    for (const before of keys) {
      const context = contextOf(before);
      const source = this.#parts.managers.for(before.wrapped.provider);
      const key = await source.unwrap(before.wrapped, context);
      const wrapped =
        source === target ? await target.rewrap(before.wrapped, context, to.keyRef) : await target.wrap(to.keyRef, key, context);
      await requireSameKey(target, wrapped, context, key);
      rewrapped.push({ before, wrapped, kekId: to.id });
    }
    const { protection } = await target.describe(to.keyRef);
    await this.#parts.catalog.transaction({ doing: `re-wrapping the keys of ${tenantId}`, tenantId }, async (session) => {
      const store = new KeyLifeStore(session);
      await store.rewrap(rewrapped);
      await store.setKekState(to.id, 'active');
      if (from.id !== to.id && from.tenantId !== undefined) await store.setKekState(from.id, 'retired');
    });
    return {
      tenantId,
      rewrapped: rewrapped.length,
      from: { provider: from.provider, keyRef: from.keyRef },
      to: { provider: to.provider, keyRef: to.keyRef },
      protection,
      disabled: [],
      waitingFor: [],
    };
  }

  /** Once every process has the new wraps: one that still had the old ones would be refused, and lose its keys. */
  async #disableFormer(tenantId: string, waitMs: number | undefined): Promise<Pick<KeyMoveReport, 'disabled' | 'waitingFor'>> {
    const used = new Set((await this.#keys.keys(tenantId)).map(({ kekId }) => kekId));
    const former = (await this.#keys.keks(tenantId)).filter(
      ({ id, state, tenantId: owner }) => owner === tenantId && state === 'retired' && !used.has(id),
    );
    if (former.length === 0) return { disabled: [], waitingFor: [] };
    const notice = await this.#processes.tell(tenantId, 'reload');
    const waitingFor = await followed(this.#processes, notice, { waitMs });
    if (waitingFor.length > 0) return { disabled: [], waitingFor };
    const disabled: string[] = [];
    for (const { provider, keyRef } of former) {
      try {
        await this.#parts.managers.for(provider).disable(keyRef);
      } catch (error) {
        // What an earlier run or somebody else disabled or deleted works no better.
        if (!(error instanceof KeyManagerError && ['disabled', 'pendingDeletion', 'notFound'].includes(error.reason))) throw error;
      }
      disabled.push(keyRef);
    }
    return { disabled, waitingFor };
  }
}

function requireRegion(tenant: Tenant, provider: string, region: string): void {
  if (tenant.dataResidency.includes(region)) return;
  throw new ResidencyError(
    `The keys of tenant ${tenant.id} can't be moved to ${provider}: it stands in ${region}, and the tenant allows ${tenant.dataResidency.join(', ')} only.`,
    { tenantId: tenant.id, region, allowedRegions: tenant.dataResidency, hint: 'Choose a key manager of an allowed region.' },
  );
}
