const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');
const padding = 0x3d;
const values = new Uint8Array(256).fill(64);
for (const [value, character] of alphabet.entries()) values[character] = value;

/**
 * Writes bytes as base64 (RFC 4648, section 4, with padding) into other bytes. Key material is written and read this way, since a string
 * can't be overwritten and stays in memory until its place is needed.
 *
 * @param target as many bytes as the text has characters
 */
export function writeBase64(bytes: Uint8Array, target: Uint8Array): void {
  for (let from = 0, to = 0; from < bytes.byteLength; from += 3, to += 4) {
    const left = bytes.byteLength - from;
    const three = (bytes[from]! << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0);
    for (let place = 0; place < 4; place++) target[to + place] = place > left ? padding : alphabet[(three >>> (18 - 6 * place)) & 63]!;
  }
}

/** Reads base64 from bytes. @returns undefined for what {@link writeBase64} did not write */
export function readBase64(text: Uint8Array): Buffer | undefined {
  const padded = text.at(-1) === padding ? (text.at(-2) === padding ? 2 : 1) : 0;
  const bytes = Buffer.alloc((text.byteLength / 4) * 3 - padded);
  let good = text.byteLength % 4 === 0;
  for (let from = 0, to = 0; from < text.byteLength; from += 4, to += 3) {
    let three = 0;
    for (let place = from; place < from + 4; place++) {
      const value = place < text.byteLength - padded ? values[text[place]!]! : 0;
      good &&= value < 64;
      three = (three << 6) | value;
    }
    for (let place = to; place < to + 3; place++) {
      const byte = (three >>> (16 - 8 * (place - to))) & 0xff;
      if (place < bytes.byteLength) bytes[place] = byte;
      // Bits beyond the last byte are 0 in what was written, so that two texts are never one value.
      else good &&= byte === 0;
    }
  }
  if (good) return bytes;
  bytes.fill(0);
  return undefined;
}
