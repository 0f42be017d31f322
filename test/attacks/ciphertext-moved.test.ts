import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type ColumnPlace, decryptValue, encryptValue } from '../../src/crypto/column-codec.ts';
import { newDataKey } from '../../src/crypto/data-key.ts';
import { LocalTenantKeys } from '../../src/crypto/local-tenant-keys.ts';
import { DecryptionError } from '../../src/errors.ts';

// The strongest attacker: can write any bytes into any row, and both tenants and both versions even share one data key, so that
// nothing but what is authenticated beside the ciphertext stands in the way.
const shared = newDataKey();
const indexSecret = newDataKey();
const keysOf = (tenantId: string, currentVersion = 1) =>
  new LocalTenantKeys({
    tenantId,
    currentVersion,
    dataKeys: new Map([
      [1, shared],
      [2, shared],
    ]),
    indexSecret,
  });
const mine = keysOf('tenant-100');
const home: ColumnPlace = { table: 'products', column: 'supplier_iban' };
const homeRow: ColumnPlace = { ...home, rowId: 'row-1' };
const plaintext = Buffer.from('DE89 3704 0044 0532 0130 00');

describe('positive control: AES-256-GCM alone', () => {
  it('opens a value that was moved to another tenant, column or row', () => {
    const stored = {
      'tenant-100/supplier_iban/1': bareEncrypt(shared, plaintext),
      'tenant-200/iban/7': bareEncrypt(shared, Buffer.from('another')),
    };
    stored['tenant-200/iban/7'] = stored['tenant-100/supplier_iban/1'];
    expect(bareDecrypt(shared, stored['tenant-200/iban/7'])).toEqual(plaintext);
  });

  it('takes a tag of 4 bytes where its length is not asked for', () => {
    const bytes = bareEncrypt(shared, plaintext);
    const decipher = createDecipheriv('aes-256-gcm', shared, bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(-16, -12));
    expect(Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])).toEqual(plaintext);
  });

  it('the codec without its row binding opens a value that was moved to another row', () => {
    const rows = new Map([
      ['row-1', encryptValue(mine, home, plaintext)],
      ['row-2', encryptValue(mine, home, Buffer.from('another'))],
    ]);
    rows.set('row-2', rows.get('row-1')!);
    expect(decryptValue(mine, home, rows.get('row-2')!)).toEqual(plaintext);
  });
});

describe('a ciphertext that was moved', () => {
  const unbound = encryptValue(mine, home, plaintext);
  const bound = encryptValue(mine, homeRow, plaintext);

  it('opens where it belongs', () => {
    expect(decryptValue(mine, home, unbound)).toEqual(plaintext);
    expect(decryptValue(mine, homeRow, bound)).toEqual(plaintext);
  });

  it.each<[string, Buffer, LocalTenantKeys, ColumnPlace]>([
    ['to another tenant', unbound, keysOf('tenant-200'), home],
    ['to another tenant, bound', bound, keysOf('tenant-200'), homeRow],
    ['to another table', unbound, mine, { ...home, table: 'suppliers' }],
    ['to another column', unbound, mine, { ...home, column: 'notes' }],
    ['to another row', bound, mine, { ...homeRow, rowId: 'row-2' }],
    ['to a column without row binding', bound, mine, home],
    ['from a column without row binding', unbound, mine, homeRow],
    ['to names that join to the same text', unbound, mine, { table: 'productssupplier', column: '_iban' }],
    ['to names that join to the same text with the tenant', unbound, keysOf('tenant-100products'), { table: '', column: 'supplier_iban' }],
    ['to a key version of the same key', withByte(unbound, 5, 2), mine, home],
    ['with its row binding taken off', withByte(bound, 1, 0), mine, home],
    ['with a row binding put on', withByte(unbound, 1, 1), mine, homeRow],
  ])('%s does not open', (_, bytes, keys, place) => {
    expect(() => decryptValue(keys, place, bytes)).toThrow(DecryptionError);
  });
});

describe('a ciphertext that was changed', () => {
  const bytes = encryptValue(mine, homeRow, plaintext);

  it('does not open with any one bit flipped', () => {
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decryptValue(mine, homeRow, changed), `bit ${bit}`).toThrow(DecryptionError);
    }
  });

  it('does not open shortened, at either end, or lengthened', () => {
    for (let length = 0; length < bytes.byteLength; length++) {
      expect(() => decryptValue(mine, homeRow, bytes.subarray(0, length))).toThrow(DecryptionError);
      expect(() => decryptValue(mine, homeRow, bytes.subarray(bytes.byteLength - length))).toThrow(DecryptionError);
    }
    expect(() => decryptValue(mine, homeRow, Buffer.concat([bytes, Buffer.of(0)]))).toThrow(DecryptionError);
  });

  it('does not open when parts of two values are put together', () => {
    const other = encryptValue(mine, homeRow, Buffer.from('DE00 0000 0000 0000 0000 00'));
    for (const cut of [30, 62, bytes.byteLength - 16]) {
      expect(() => decryptValue(mine, homeRow, Buffer.concat([bytes.subarray(0, cut), other.subarray(cut)]))).toThrow(DecryptionError);
    }
  });
});

it('every refusal is the same: no oracle tells why', () => {
  const bytes = encryptValue(mine, homeRow, plaintext);
  const refused = [
    Buffer.alloc(0),
    Buffer.from('plain'),
    randomBytes(200),
    bytes.subarray(0, -1),
    encryptValue(mine, home, plaintext),
    encryptValue(keysOf('tenant-200'), homeRow, plaintext),
    ...[0, 1, 5, 6, 30, 62, bytes.byteLength - 1].map((at) => withByte(bytes, at, bytes[at]! ^ 1)),
  ].map((each) => {
    try {
      decryptValue(mine, homeRow, each);
      return 'opened';
    } catch (error) {
      const { name, message, cause } = error as Error;
      return JSON.stringify([error instanceof DecryptionError, name, message, cause ?? null, Object.entries(error as object)]);
    }
  });
  expect(new Set(refused).size).toBe(1);
  expect(refused[0]).toContain('DecryptionError');
});

function withByte(bytes: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = value;
  return changed;
}

function bareEncrypt(key: KeyObject, value: Buffer): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
}

function bareDecrypt(key: KeyObject, bytes: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 });
  decipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
}
