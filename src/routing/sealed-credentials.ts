import type { CatalogReader } from '../catalog/catalog-reader.ts';
import type { CredentialsProvider, DatabaseCredentials } from '../connection/credentials.ts';
import { ConfigurationError } from '../errors.ts';
import { loginContext } from '../keys/key-context.ts';
import { openSecret } from '../keys/sealed-secret.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { LoginCredentials } from './login-credentials.ts';

export interface SealedCredentialsOptions {
  readonly reader: Pick<CatalogReader, 'serviceCredential'>;
  readonly managers: KeyManagers;
}

interface Opened {
  readonly sealed: Buffer;
  readonly credentials: DatabaseCredentials;
}

/**
 * Logins from the catalog, their passwords sealed by the platform KEK: what services use unless told otherwise. Each is opened once
 * and again when its sealed bytes have changed, so that a changed catalog does not become a storm on the key manager.
 *
 * @throws {ConfigurationError} (from the provider) when the catalog has no login of that database
 * @throws {KeyManagerError} (from the provider) when the platform's key can't open it
 * @example
 * ```ts
 * const credentials = sealedCredentials({ reader, managers });
 * ```
 */
export function sealedCredentials(options: SealedCredentialsOptions): CredentialsProvider {
  const opened = new Map<string, Opened>();
  return async (address) => {
    const name = JSON.stringify([address.clusterId, address.database]);
    const stored = await options.reader.serviceCredential(address);
    if (stored === undefined) {
      opened.delete(name);
      throw new ConfigurationError(`The catalog has no service login of the database ${address.clusterId}/${address.database}.`, {
        hint: 'Provision the tenant again, or pass a credentials option.',
      });
    }
    const known = opened.get(name);
    if (known !== undefined && known.credentials.user === stored.login && known.sealed.equals(stored.sealed)) return known.credentials;
    const password = await openSecret(options.managers, stored.sealed, loginContext('service', address, stored.login));
    const credentials = new LoginCredentials(stored.login, password);
    opened.set(name, { sealed: stored.sealed, credentials });
    return credentials;
  };
}
