import { type ColumnPlace, decryptValue } from '../crypto/column-codec.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';

/** Raised inside this folder only: rows hold encrypted values and the keys were not fetched yet. The executor fetches them and maps again. */
export class KeysNeeded extends Error {}

let keys: TenantKeys | undefined;

/**
 * Maps rows with one tenant's keys at hand. drizzle maps synchronously and hands a column nothing but the value, so the keys stand in a
 * variable for exactly as long as that takes; no other code can run in between.
 */
export function withDecryptionKeys<T>(of: TenantKeys | undefined, map: () => T): T {
  const outer = keys;
  keys = of;
  try {
    return map();
  } finally {
    keys = outer;
  }
}

/** @throws {DecryptionError} when the value can't be opened @throws {KeysNeeded} outside {@link withDecryptionKeys} */
export function decrypt(place: ColumnPlace, ciphertext: Buffer): Buffer {
  if (keys === undefined) throw new KeysNeeded();
  return decryptValue(keys, place, ciphertext);
}
