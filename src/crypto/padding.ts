import { ConfigurationError } from '../errors.ts';

const marker = 0x80;

/** The largest multiple that a plaintext is padded to, in bytes. */
export const maxPadding = 65_536;

/** @throws {ConfigurationError} when a multiple is not a whole number from 2 to {@link maxPadding} */
export function requirePadding(multiple: number): number {
  if (!Number.isInteger(multiple) || multiple < 2 || multiple > maxPadding) {
    throw new ConfigurationError('A column’s padding is not a whole number of bytes.', {
      hint: `Give pad a multiple from 2 to ${maxPadding}, such as 32.`,
    });
  }
  return multiple;
}

/** ISO/IEC 7816-4: the value, `0x80`, and as many zeros as it takes to a multiple; at least one byte is added. */
export function padded(value: Buffer, multiple: number): Buffer {
  const length = Math.ceil((value.byteLength + 1) / multiple) * multiple;
  const bytes = Buffer.alloc(length);
  bytes.set(value);
  bytes[value.byteLength] = marker;
  return bytes;
}

/** @returns undefined for bytes that {@link padded} did not make */
export function unpadded(bytes: Buffer): Buffer | undefined {
  let end = bytes.byteLength - 1;
  while (end >= 0 && bytes[end] === 0) end -= 1;
  return end >= 0 && bytes[end] === marker ? bytes.subarray(0, end) : undefined;
}
