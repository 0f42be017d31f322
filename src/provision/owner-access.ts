import type { DatabaseAddress } from '../connection/credentials.ts';
import { ConfigurationError } from '../errors.ts';
import type { ContextSigner } from '../rls/context-token.ts';
import { urlFor } from './admin-client.ts';
import type { ContextAuthority } from './context-authority.ts';
import type { CredentialVault } from './credential-vault.ts';

/** How the control plane enters one tenant database as its owner. */
export interface OwnerOfDatabase {
  /** Direct, never through a pooler. Holds the password: it goes into no message. */
  readonly url: string;
  readonly login: string;
  /** The service login of the same database: whom grants go to. */
  readonly app: string;
  readonly signer: ContextSigner;
}

/** Finds the owners of tenant databases, once each. */
export class OwnerAccess {
  readonly #vault: CredentialVault;
  readonly #authority: ContextAuthority;
  readonly #adminUrls: ReadonlyMap<string, string>;
  readonly #known = new Map<string, Promise<OwnerOfDatabase>>();

  constructor(parts: {
    readonly vault: CredentialVault;
    readonly authority: ContextAuthority;
    readonly adminUrls: ReadonlyMap<string, string>;
  }) {
    this.#vault = parts.vault;
    this.#authority = parts.authority;
    this.#adminUrls = parts.adminUrls;
  }

  /**
   * @throws {ConfigurationError} when this control plane was not given the cluster
   * @throws {CatalogError} when the catalog has no logins for the database
   */
  of({ clusterId, database }: DatabaseAddress): Promise<OwnerOfDatabase> {
    const key = `${clusterId}/${database}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const found = this.#find({ clusterId, database });
    this.#known.set(key, found);
    found.catch(() => this.#known.delete(key));
    return found;
  }

  /** @throws {ConfigurationError} when this control plane was not given the cluster */
  adminUrl(clusterId: string): string {
    const url = this.#adminUrls.get(clusterId);
    if (url === undefined) {
      throw new ConfigurationError(`The cluster "${clusterId}" is in the catalog, but its adminUrl was not given.`, {
        hint: 'Add it to the clusters of the control plane’s configuration.',
      });
    }
    return url;
  }

  /** Forgets all: what their contexts are signed with may have been retired. */
  clear(): void {
    this.#known.clear();
  }

  /** Forgets a database that is gone. */
  forget({ clusterId, database }: DatabaseAddress): void {
    this.#known.delete(`${clusterId}/${database}`);
  }

  async #find(address: DatabaseAddress): Promise<OwnerOfDatabase> {
    const owner = await this.#vault.require('owner', address);
    const app = await this.#vault.require('service', address);
    const signer = await this.#authority.signer(address, owner.user);
    return Object.freeze({
      url: urlFor(this.adminUrl(address.clusterId), { database: address.database, ...owner }),
      login: owner.user,
      app: app.user,
      signer,
    });
  }
}
