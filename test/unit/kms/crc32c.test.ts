import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { crc32c } from '../../../src/kms/crc32c.ts';

// RFC 3720, B.4, and the check value of the catalogue of CRCs.
test.each([
  ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['0 to 31', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ['31 to 0', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  ['123456789', Buffer.from('123456789'), 0xe3069283],
  ['nothing', Buffer.alloc(0), 0],
])('of %s', (_, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected);
});

test('is not what zlib computes', () => {
  expect(crc32(Buffer.from('123456789'))).not.toBe(crc32c(Buffer.from('123456789')));
});
