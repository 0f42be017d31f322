import type { KeyObject } from 'node:crypto';
import { ConfigurationError } from '../errors.ts';
import { requireDataKey } from './data-key.ts';
import { hkdf } from './hkdf.ts';

/** The database whose signed contexts a key is for, and which of the catalog's masters it comes from. */
export interface ContextKeyPlace {
  /** The master's id, such as `k1`; rotation gives a new one. */
  readonly keyId: string;
  readonly clusterId: string;
  readonly database: string;
}

/**
 * The key that signs the contexts of one database: HKDF-SHA-256 of the master with empty salt and
 * `tenancy.context:<keyId>:<clusterId>:<database>` as info, 32 bytes. A key taken from one database signs nothing in another.
 *
 * @param master the catalog's context master, 32 bytes
 * @throws {ConfigurationError} when a field is empty or holds a colon (two places could then share a key), or the master has another length
 * @example
 * ```ts
 * const key = deriveContextKey(master, { keyId: 'k1', clusterId: 'eu-1', database: 'tenancy_shared' });
 * ```
 */
export function deriveContextKey(master: KeyObject, place: ContextKeyPlace): KeyObject {
  for (const name of ['keyId', 'clusterId', 'database'] as const) {
    if (place[name] === '' || place[name].includes(':')) {
      throw new ConfigurationError(`The ${name} ${JSON.stringify(place[name])} can't be part of a context key's name.`, {
        hint: 'It must not be empty or hold a colon.',
      });
    }
  }
  return hkdf(requireDataKey(master), `tenancy.context:${place.keyId}:${place.clusterId}:${place.database}`);
}
