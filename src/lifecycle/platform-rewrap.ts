import { CertificateKeyStore } from '../catalog/certificate-key-store.ts';
import type { CredentialStore } from '../catalog/credential-store.ts';
import { KeyLifeStore, type StoredKek } from '../catalog/key-life-store.ts';
import type { KeyStore } from '../catalog/key-store.ts';
import { certificateContext, contextMasterContext, loginContext } from '../keys/key-context.ts';
import { requireSameKey } from '../keys/open-tenant-keys.ts';
import { openSecret, sealSecret } from '../keys/sealed-secret.ts';
import type { KeyContext, WrappedKey } from '../kms/key-manager.ts';
import type { KeyMove } from './key-move.ts';
import { type KeyLifeParts, recorded } from './key-parts.ts';
import type { PlatformRewrapReport } from './key-reports.ts';

/** What re-wrapping the platform's secrets works with. */
export interface PlatformRewrapParts extends KeyLifeParts {
  readonly keyStore: KeyStore;
  readonly credentials: CredentialStore;
  readonly move: KeyMove;
}

/**
 * Wraps everything that the platform's KEKs wrap anew, under the newest version of the newest KEK of each key manager: tenants' keys, context
 * masters, certificate keys, logins. One secret after the other, each replaced only if it is still what was read: run again, it goes on.
 */
export class PlatformRewrap {
  readonly #parts: PlatformRewrapParts;
  readonly #keys: KeyLifeStore;

  constructor(parts: PlatformRewrapParts) {
    this.#parts = parts;
    this.#keys = new KeyLifeStore(parts.catalog);
  }

  /** @param newKek whether to make a new platform KEK in each key manager that has one */
  async run(options: { readonly actor?: string | undefined; readonly newKek?: boolean | undefined }): Promise<PlatformRewrapReport> {
    return await recorded(
      this.#parts.auditor,
      { reason: 'rewrap platform', actor: options.actor },
      async () => await this.#run(options.newKek === true),
      ({ tenants, secrets }) => ({ tenants, secrets }),
    );
  }

  async #run(newKek: boolean): Promise<PlatformRewrapReport> {
    const { managers } = this.#parts;
    const before = (await this.#keys.keks(undefined)).filter(({ provider, state }) => managers.has(provider) && state !== 'destroyed');
    const targets = new Map<string, StoredKek>();
    for (const provider of new Set(before.map((kek) => kek.provider)))
      targets.set(provider, await this.#targetOf(provider, before, newKek));
    let tenants = 0;
    for (const kek of before) {
      for (const tenantId of await this.#keys.tenantsUnder(kek.id)) {
        await this.#parts.move.rewrapUnder(tenantId, targets.get(kek.provider)!);
        tenants += 1;
      }
    }
    const secrets = (await this.#masters(targets)) + (await this.#certificateKeys(targets)) + (await this.#logins(targets));
    // They stay enabled: audit chains and silent attempts were sealed under them, and are never changed.
    const retired = before.filter(({ id, provider }) => targets.get(provider)!.id !== id);
    for (const { id } of retired) await this.#keys.setKekState(id, 'retired');
    return Object.freeze({
      tenants,
      secrets,
      keks: [...targets.values()].map(({ keyRef }) => keyRef).sort(),
      retired: retired.map(({ keyRef }) => keyRef),
    });
  }

  /** The newest that is in use; a pending one that an earlier run made, or a new one, where that was asked for. */
  async #targetOf(provider: string, keks: readonly StoredKek[], newKek: boolean): Promise<StoredKek> {
    const own = keks.filter((kek) => kek.provider === provider);
    const active = own.find(({ state }) => state === 'active');
    if (!newKek && active !== undefined) return active;
    const manager = this.#parts.managers.for(provider);
    let pending = own.find(({ state }) => state === 'pending');
    if (pending === undefined) {
      const keyRef = await manager.createKey({ tenantId: 'platform', protection: 'software' });
      const { region } = await manager.describe(keyRef);
      pending = await this.#keys.insertPendingKek({ provider, keyRef, region, protection: 'software', tenantId: undefined });
    }
    // From here on whatever is made anew is wrapped by it.
    await this.#keys.setKekState(pending.id, 'active');
    return pending;
  }

  async #masters(targets: ReadonlyMap<string, StoredKek>): Promise<number> {
    let count = 0;
    for (const { keyId, wrapped } of await this.#parts.keyStore.contextMasters()) {
      const fresh = await this.#fresh(wrapped, contextMasterContext, targets);
      if (fresh !== undefined && (await this.#parts.keyStore.rewrapContextMaster(keyId, wrapped, fresh))) count += 1;
    }
    return count;
  }

  async #certificateKeys(targets: ReadonlyMap<string, StoredKek>): Promise<number> {
    const store = new CertificateKeyStore(this.#parts.catalog);
    const known = await store.newest();
    const fresh = known && (await this.#fresh(known.wrapped, certificateContext, targets));
    return known !== undefined && fresh !== undefined && (await store.rewrap(known.keyId, known.wrapped, fresh)) ? 1 : 0;
  }

  async #logins(targets: ReadonlyMap<string, StoredKek>): Promise<number> {
    const { credentials, managers } = this.#parts;
    const target = targets.get(managers.primary.provider);
    if (target === undefined) return 0;
    let count = 0;
    for (const { kind, credential } of await credentials.all()) {
      const context = loginContext(kind, credential, credential.login);
      const sealed = await sealSecret(managers.primary, target.keyRef, context, await openSecret(managers, credential.sealed, context));
      if (await credentials.reseal(kind, credential, sealed)) count += 1;
    }
    return count;
  }

  async #fresh(wrapped: WrappedKey, context: KeyContext, targets: ReadonlyMap<string, StoredKek>): Promise<WrappedKey | undefined> {
    const target = targets.get(wrapped.provider);
    if (target === undefined) return undefined;
    const manager = this.#parts.managers.for(wrapped.provider);
    const fresh = await manager.rewrap(wrapped, context, target.keyRef);
    await requireSameKey(manager, fresh, context, await manager.unwrap(wrapped, context));
    return fresh;
  }
}
