import { KeyManagerError } from '../errors.ts';
import { crc32c } from './crc32c.ts';
import type { KeyContext } from './key-manager.ts';
import { contextBytes } from './remote-wrapping.ts';

/** A number of 64 bits as the SDK gives it: over gRPC a string or a Long, in a message of its own. */
type Wrapped = { readonly value?: unknown } | null | undefined;

/** A checksum as the API takes it. */
export function checksumOf(bytes: Uint8Array): { readonly value: number } {
  return { value: crc32c(bytes) };
}

/** A context as the API's additional authenticated data, with its checksum. */
export function authenticatedData(context: KeyContext) {
  const additionalAuthenticatedData = contextBytes(context);
  return { additionalAuthenticatedData, additionalAuthenticatedDataCrc32c: checksumOf(additionalAuthenticatedData) } as const;
}

/**
 * Bytes of an answer, as they were when Google sent them.
 *
 * @throws {KeyManagerError} `unavailable`, retryable, when bytes or checksum are missing or don't agree
 */
export function verifiedBytes(bytes: Uint8Array | string | null | undefined, checksum: Wrapped, what: string): Buffer {
  const read = typeof bytes === 'string' ? Buffer.from(bytes, 'base64') : bytes;
  if (read === null || read === undefined || checksum?.value === undefined || checksum.value === null)
    throw changed(what, 'has no checksum');
  const copy = Buffer.from(read);
  if (String(checksum.value) === String(crc32c(copy))) return copy;
  copy.fill(0);
  throw changed(what, 'differs from its checksum');
}

/** @throws {KeyManagerError} `unavailable`, retryable, unless Google says that it compared the checksum */
export function requireVerified(verified: boolean | null | undefined, what: string): void {
  if (verified !== true) throw changed(what, 'was not compared with its checksum by Google');
}

function changed(what: string, how: string): KeyManagerError {
  return new KeyManagerError(`The ${what} ${how}: it may have been changed on the way.`, { reason: 'unavailable' });
}
