import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { ConfigurationError } from '../errors.ts';

/** The length of every symmetric key of this library, in bytes. */
export const dataKeyLength = 32;

/** A fresh random key of 32 bytes. */
export function newDataKey(): KeyObject {
  return dataKeyFrom(randomBytes(dataKeyLength));
}

/**
 * Takes over key bytes: they are copied into a KeyObject and the given buffer is overwritten with zeros, whether it was accepted or not.
 *
 * @throws {ConfigurationError} when there are not exactly 32 bytes
 * @example
 * ```ts
 * const key = dataKeyFrom(await decryptedByTheProvider());
 * ```
 */
export function dataKeyFrom(bytes: Uint8Array): KeyObject {
  try {
    return requireDataKey(createSecretKey(bytes));
  } finally {
    bytes.fill(0);
  }
}

/** @throws {ConfigurationError} when the key is not a secret key of 32 bytes */
export function requireDataKey(key: KeyObject): KeyObject {
  if (key.type !== 'secret' || key.symmetricKeySize !== dataKeyLength) {
    throw new ConfigurationError(`A key of ${key.symmetricKeySize ?? 'unknown'} bytes was given where ${dataKeyLength} are needed.`, {
      hint: 'Use a secret key of 256 bits.',
    });
  }
  return key;
}
