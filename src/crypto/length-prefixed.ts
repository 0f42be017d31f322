/**
 * Joins fields so that no two different lists of fields give the same bytes: each as its length (u32, big-endian, in bytes) and its
 * bytes. Strings are taken as UTF-8. What is authenticated beside a ciphertext, and what keys are derived for, is written this way.
 *
 * @example
 * ```ts
 * lengthPrefixed(['ab', 'c']).equals(lengthPrefixed(['a', 'bc'])); // false
 * ```
 */
export function lengthPrefixed(fields: readonly (string | Uint8Array)[]): Buffer {
  let total = 0;
  for (const field of fields) total += 4 + sizeOf(field);
  const joined = Buffer.allocUnsafe(total);
  let at = 0;
  for (const field of fields) {
    const size = sizeOf(field);
    at = joined.writeUInt32BE(size, at);
    if (typeof field === 'string') joined.write(field, at, size, 'utf8');
    else joined.set(field, at);
    at += size;
  }
  return joined;
}

function sizeOf(field: string | Uint8Array): number {
  return typeof field === 'string' ? Buffer.byteLength(field, 'utf8') : field.byteLength;
}
