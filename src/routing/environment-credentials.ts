import type { CredentialsProvider, DatabaseAddress } from '../connection/credentials.ts';
import { ConfigurationError } from '../errors.ts';
import { LoginCredentials } from './login-credentials.ts';

/**
 * Reads logins from the environment: `TENANCY_<CLUSTER>_<DATABASE>_USER` and `…_PASSWORD`, in capitals, with `_` for everything but
 * letters and digits.
 *
 * @param environment where to look; `process.env` unless told
 * @throws {ConfigurationError} (from the provider) naming the variable that is missing
 * @example
 * ```ts
 * // TENANCY_US_1_TENANCY_SHARED_USER=tenancy_app, TENANCY_US_1_TENANCY_SHARED_PASSWORD=…
 * const credentials = environmentCredentials();
 * await credentials({ clusterId: 'us-1', database: 'tenancy_shared' });
 * ```
 */
export function environmentCredentials(environment: Readonly<Record<string, string | undefined>> = process.env): CredentialsProvider {
  return async (address) => {
    const prefix = prefixOf(address);
    const read = (name: string): string => {
      const value = environment[name];
      if (value === undefined || value === '') {
        throw new ConfigurationError(`No login for the database ${address.clusterId}/${address.database}: ${name} is not set.`, {
          hint: `Set ${prefix}_USER and ${prefix}_PASSWORD.`,
        });
      }
      return value;
    };
    return new LoginCredentials(read(`${prefix}_USER`), read(`${prefix}_PASSWORD`));
  };
}

function prefixOf(address: DatabaseAddress): string {
  return `TENANCY_${address.clusterId}_${address.database}`.toUpperCase().replace(/[^A-Z0-9]/g, '_');
}
