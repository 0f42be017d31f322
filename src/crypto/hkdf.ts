import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { dataKeyLength } from './data-key.ts';

export interface HkdfOptions {
  /** Empty unless told: our secrets are uniformly random already (RFC 5869, section 3.1). */
  readonly salt?: Uint8Array | undefined;
  /** Bytes to derive; 32 unless told. */
  readonly length?: number | undefined;
}

/**
 * Derives a key from a secret with HKDF-SHA-256 (RFC 5869). The result is independent of what any other `info` gives.
 *
 * @param info what the key is for; use {@link lengthPrefixed} when it is made of several fields
 * @throws {RangeError} when more than 255 × 32 bytes are asked for
 * @example
 * ```ts
 * const key = hkdf(secret, 'tenancy.context:k1:cluster-1:tenancy_shared');
 * ```
 */
export function hkdf(secret: KeyObject, info: string | Uint8Array, options: HkdfOptions = {}): KeyObject {
  const derived = new Uint8Array(hkdfSync('sha256', secret, options.salt ?? new Uint8Array(0), info, options.length ?? dataKeyLength));
  try {
    return createSecretKey(derived);
  } finally {
    derived.fill(0);
  }
}
