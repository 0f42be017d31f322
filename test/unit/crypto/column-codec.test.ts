import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { columnOverhead, decryptValue, encryptValue, keyVersionOf, reencryptValue } from '../../../src/crypto/column-codec.ts';
import { dataKeyFrom, newDataKey } from '../../../src/crypto/data-key.ts';
import { LocalTenantKeys } from '../../../src/crypto/local-tenant-keys.ts';
import { DecryptionError, EncryptedColumnError } from '../../../src/errors.ts';

const indexSecret = newDataKey();
const first = newDataKey();
const second = newDataKey();
const keysAt = (currentVersion: number, tenantId = 'tenant-100') =>
  new LocalTenantKeys({
    tenantId,
    currentVersion,
    dataKeys: new Map([
      [1, first],
      [2, second],
    ]),
    indexSecret,
  });
const keys = keysAt(1);
const place = { table: 'products', column: 'supplier_iban' };
/** Written once when the format was decided: a change that can't read it any more loses customers' data. */
const writtenValue = [
  'e10100000001',
  '4142434445464748494a4b4c4d4e4f505152535455565758',
  'bdd1134653fc5f8f75a9bc7a8087a7f4145b3aa9362dd1b067f9785871f1edc1',
  'ad68dc8ba69395b8d9933142b47a7b3c46de1e82cff54b246c9acce987b74e6dc76e100b32f67d88b48c1b',
].join('');
const name = fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' });

describe('encryptValue and decryptValue', () => {
  it('give back any bytes in any place, bound to a row or not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), name, name, fc.option(name, { nil: undefined }), (bytes, table, column, rowId) => {
        const plaintext = Buffer.from(bytes);
        const where = { table, column, rowId };
        const encrypted = encryptValue(keys, where, plaintext);
        expect(encrypted.byteLength).toBe(plaintext.byteLength + columnOverhead);
        expect(decryptValue(keys, where, encrypted)).toEqual(plaintext);
      }),
    );
  });

  it('bind the place without ambiguity: names that run into each other are different places', () => {
    fc.assert(
      fc.property(name, name, name, name, (tableA, columnA, tableB, columnB) => {
        fc.pre(tableA !== tableB || columnA !== columnB);
        const encrypted = encryptValue(keys, { table: tableA, column: columnA }, Buffer.from('x'));
        expect(() => decryptValue(keys, { table: tableB, column: columnB }, encrypted)).toThrow(DecryptionError);
      }),
    );
    const encrypted = encryptValue(keys, { table: 'ab', column: 'c' }, Buffer.from('x'));
    expect(() => decryptValue(keys, { table: 'a', column: 'bc' }, encrypted)).toThrow(DecryptionError);
  });

  it('never give the same bytes twice', () => {
    const made = new Set(Array.from({ length: 1_000 }, () => encryptValue(keys, place, Buffer.from('same')).toString('hex')));
    expect(made.size).toBe(1_000);
  });

  it('write the layout that is documented', () => {
    const encrypted = encryptValue(keysAt(2), { ...place, rowId: 'r-1' }, Buffer.from('abc'));
    expect(encrypted[0]).toBe(0xe1);
    expect(encrypted[1]).toBe(1);
    expect(encrypted.readUInt32BE(2)).toBe(2);
    expect(encrypted.byteLength).toBe(78 + 3);
    expect(encryptValue(keys, place, Buffer.alloc(0))[1]).toBe(0);
  });

  it('open a value of the first format for as long as its key is there', () => {
    const old = new LocalTenantKeys({
      tenantId: 'tenant-100',
      currentVersion: 1,
      dataKeys: new Map([[1, dataKeyFrom(Buffer.alloc(32, 5))]]),
      indexSecret,
    });
    const written = Buffer.from(writtenValue, 'hex');
    expect(decryptValue(old, { ...place, rowId: '42' }, written).toString()).toBe('DE89 3704 0044 0532 0130 00');
  });

  it('read older versions after a rotation and say which version a value has', () => {
    const before = encryptValue(keysAt(1), place, Buffer.from('old'));
    const after = encryptValue(keysAt(2), place, Buffer.from('new'));
    expect(decryptValue(keysAt(2), place, before).toString()).toBe('old');
    expect([keyVersionOf(before), keyVersionOf(after)]).toEqual([1, 2]);
    expect(() =>
      keyVersionOf(Buffer.from('plain text that was never encrypted, but is long enough to be, at 78 bytes'.padEnd(100))),
    ).toThrow(DecryptionError);
  });

  it('pad any bytes to a multiple, and take it off again by what the value says of itself', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 2, max: 256 }), (bytes, multiple) => {
        const plaintext = Buffer.from(bytes);
        const encrypted = encryptValue(keys, place, plaintext, multiple);
        expect((encrypted.byteLength - columnOverhead) % multiple).toBe(0);
        expect(encrypted.byteLength).toBeGreaterThan(plaintext.byteLength + columnOverhead);
        expect(encrypted.byteLength).toBeLessThanOrEqual(plaintext.byteLength + columnOverhead + multiple);
        expect(encrypted[1]).toBe(2);
        expect(decryptValue(keys, place, encrypted)).toEqual(plaintext);
      }),
    );
    expect(encryptValue(keys, { ...place, rowId: 'r' }, Buffer.alloc(0), 8)[1]).toBe(3);
  });

  it('do not open when the padding’s flag is taken off or put on, or where a padded plaintext has no end', () => {
    const encrypted = encryptValue(keys, place, Buffer.from('x'), 16);
    const plain = encryptValue(keys, place, Buffer.from('x\x80', 'latin1'));
    for (const bytes of [encrypted, plain]) {
      const changed = Buffer.from(bytes);
      changed[1]! ^= 2;
      expect(() => decryptValue(keys, place, changed)).toThrow(DecryptionError);
    }
  });

  it('encrypt anew under the current key with the padding that was', () => {
    for (const padTo of [undefined, 64]) {
      const before = encryptValue(keysAt(1), place, Buffer.from('old'), padTo);
      const after = reencryptValue(keysAt(2), place, before);
      expect(keyVersionOf(after)).toBe(2);
      expect([after.byteLength, after[1]]).toEqual([before.byteLength, before[1]]);
      expect(decryptValue(keysAt(2), place, after).toString()).toBe('old');
    }
    expect(() => reencryptValue(keysAt(2, 'tenant-200'), place, encryptValue(keysAt(1), place, Buffer.from('old')))).toThrow(
      DecryptionError,
    );
  });

  it('refuse a row id that binds nothing', () => {
    for (const rowId of ['', '\ud800'])
      expect(() => encryptValue(keys, { ...place, rowId }, Buffer.from('x'))).toThrow(EncryptedColumnError);
    const encrypted = encryptValue(keys, { ...place, rowId: '\ufffd' }, Buffer.from('x'));
    expect(() => decryptValue(keys, { ...place, rowId: '\ud800' }, encrypted)).toThrow(DecryptionError);
  });

  it('refuse to encrypt without the current key', () => {
    const without = { tenantId: 'tenant-100', currentVersion: 3, dataKey: () => undefined, indexKey: () => indexSecret };
    expect(() => encryptValue(without, place, Buffer.from('x'))).toThrow(/no data key of version 3/);
  });

  it('put no plaintext into errors', () => {
    const encrypted = encryptValue(keys, place, Buffer.from('DE89 secret'));
    encrypted[encrypted.length - 1]! ^= 1;
    try {
      decryptValue(keys, place, encrypted);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(DecryptionError);
      expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('secret');
      expect((error as DecryptionError).tenantId).toBe('tenant-100');
      expect((error as Error).cause).toBeUndefined();
    }
  });
});
