import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { readBase64, writeBase64 } from '../../../src/crypto/base64-bytes.ts';

const textOf = (bytes: Uint8Array): string => {
  const target = Buffer.alloc(Math.ceil(bytes.byteLength / 3) * 4);
  writeBase64(bytes, target);
  return target.toString('latin1');
};

test('is what node:buffer writes and reads, of every length and every byte', () => {
  for (const bytes of [Buffer.from(Array.from({ length: 256 }, (_, n) => n)), ...Array.from({ length: 80 }, (_, n) => randomBytes(n))]) {
    expect(textOf(bytes)).toBe(bytes.toString('base64'));
    expect(readBase64(Buffer.from(bytes.toString('base64')))).toEqual(bytes);
  }
});

test('what it did not write is refused: other characters, lengths, padding, bits that say nothing', () => {
  for (const text of ['A', 'AA', 'AAA', 'AAAAA', 'AA-_', 'AA A', 'A===', '====', '=AAA', 'AA=A', 'AB==', 'AAB=', 'AA\u00e9A', '\n\n\n\n'])
    expect(readBase64(Buffer.from(text, 'latin1')), text).toBeUndefined();
});
