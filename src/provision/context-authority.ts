import type { Sql } from 'postgres';
import type { ContextMaster } from '../catalog/context-master.ts';
import type { KeyStore } from '../catalog/key-store.ts';
import type { DatabaseAddress } from '../connection/credentials.ts';
import { deriveContextKey } from '../crypto/context-key.ts';
import { CatalogError } from '../errors.ts';
import { contextMasterContext } from '../keys/key-context.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { ContextSigner } from '../rls/context-token.ts';
import { installContextKey } from '../rls/install-context-key.ts';

/** Derives every database's context key from the master, installs it, and signs the owner's contexts for migrations. */
export class ContextAuthority {
  readonly #store: KeyStore;
  readonly #managers: KeyManagers;

  constructor(parts: { readonly store: KeyStore; readonly managers: KeyManagers }) {
    this.#store = parts.store;
    this.#managers = parts.managers;
  }

  /** Installs the keys of all masters that still sign, so that services of either generation are understood during a rotation. */
  async install(owner: Sql, address: DatabaseAddress): Promise<void> {
    const masters = (await this.#store.contextMasters()).filter((master) => master.retiredAt === undefined);
    for (const master of masters) await installContextKey(owner, { keyId: master.keyId, key: await this.#keyOf(master, address) });
  }

  /** Installs one master's key, which may sign nothing yet. */
  async installMaster(owner: Sql, address: DatabaseAddress, master: Pick<ContextMaster, 'keyId' | 'wrapped'>): Promise<void> {
    await installContextKey(owner, { keyId: master.keyId, key: await this.#keyOf(master, address) });
  }

  /** Signs for one login of one database. */
  async signer(address: DatabaseAddress, audience: string): Promise<ContextSigner> {
    const master = (await this.#store.contextMasters()).find((candidate) => candidate.retiredAt === undefined);
    if (master === undefined) throw new CatalogError('The catalog has no context master.', { hint: 'Run `tenancy init`.' });
    return new ContextSigner({ key: await this.#keyOf(master, address), keyId: master.keyId, database: address.database, audience });
  }

  async #keyOf(master: Pick<ContextMaster, 'keyId' | 'wrapped'>, address: DatabaseAddress) {
    const key = await this.#managers.for(master.wrapped.provider).unwrap(master.wrapped, contextMasterContext);
    return deriveContextKey(key, { keyId: master.keyId, clusterId: address.clusterId, database: address.database });
  }
}
