import type { CredentialKind, CredentialStore } from '../catalog/credential-store.ts';
import type { KeyStore } from '../catalog/key-store.ts';
import type { DatabaseAddress, DatabaseCredentials } from '../connection/credentials.ts';
import { CatalogError } from '../errors.ts';
import { loginContext } from '../keys/key-context.ts';
import { openSecret, sealSecret } from '../keys/sealed-secret.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { randomPassword } from './login.ts';

/** The logins of the platform's databases: made up here, sealed under the platform KEK, kept in the catalog. */
export class CredentialVault {
  readonly #store: CredentialStore;
  readonly #keys: KeyStore;
  readonly #managers: KeyManagers;

  constructor(parts: { readonly store: CredentialStore; readonly keys: KeyStore; readonly managers: KeyManagers }) {
    this.#store = parts.store;
    this.#keys = parts.keys;
    this.#managers = parts.managers;
  }

  /** The login of a database, or undefined. */
  async find(kind: CredentialKind, address: DatabaseAddress): Promise<DatabaseCredentials | undefined> {
    const sealed = await this.#store.find(kind, address);
    if (sealed === undefined) return undefined;
    return { user: sealed.login, password: await openSecret(this.#managers, sealed.sealed, loginContext(kind, address, sealed.login)) };
  }

  /** @throws {CatalogError} when the catalog has no such login: the database was not made by this control plane */
  async require(kind: CredentialKind, address: DatabaseAddress): Promise<DatabaseCredentials> {
    const credentials = await this.find(kind, address);
    if (credentials === undefined) {
      throw new CatalogError(`The catalog has no ${kind} login for ${address.clusterId}/${address.database}.`, {
        hint: 'Run `tenancy init`, or provision the tenant again.',
      });
    }
    return credentials;
  }

  /**
   * The login that a database has, or a new one. It is handed to `apply` before it is kept, so that the catalog never names a login
   * that PostgreSQL does not have; a crash in between leaves a password that nobody knows, and the next run sets another.
   */
  async ensure(
    kind: CredentialKind,
    address: DatabaseAddress,
    login: string,
    apply: (credentials: DatabaseCredentials) => Promise<void>,
  ): Promise<DatabaseCredentials> {
    const existing = await this.find(kind, address);
    if (existing !== undefined && existing.user === login) return existing;
    const credentials = { user: login, password: randomPassword() };
    await apply(credentials);
    const kek = await this.#keys.activeKek(undefined);
    if (kek === undefined) throw new CatalogError('The platform has no key yet.', { hint: 'Run `tenancy init` first.' });
    const sealed = await sealSecret(this.#managers.for(kek.provider), kek.keyRef, loginContext(kind, address, login), credentials.password);
    await this.#store.put(kind, { ...address, login, sealed });
    return credentials;
  }

  async remove(address: DatabaseAddress): Promise<void> {
    await this.#store.remove('service', address);
    await this.#store.remove('owner', address);
  }
}
