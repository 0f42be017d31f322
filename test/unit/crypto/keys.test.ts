import { createHmac, createSecretKey, hkdfSync, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deriveContextKey } from '../../../src/crypto/context-key.ts';
import { dataKeyFrom, newDataKey } from '../../../src/crypto/data-key.ts';
import { lengthPrefixed } from '../../../src/crypto/length-prefixed.ts';
import { LocalTenantKeys } from '../../../src/crypto/local-tenant-keys.ts';
import { ConfigurationError } from '../../../src/errors.ts';

describe('lengthPrefixed', () => {
  it('gives different bytes for different lists', () => {
    const fields = fc.array(fc.string({ maxLength: 4, unit: 'grapheme' }), { maxLength: 4 });
    fc.assert(
      fc.property(fields, fields, (a, b) => {
        expect(lengthPrefixed(a).equals(lengthPrefixed(b))).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });

  it('counts bytes, not characters, and takes both kinds of field', () => {
    expect(lengthPrefixed(['é', Buffer.from([7])]).toString('hex')).toBe('00000002c3a90000000107');
  });
});

describe('dataKeyFrom', () => {
  it('takes over 32 bytes and leaves zeros behind', () => {
    const bytes = randomBytes(32);
    const expected = Buffer.from(bytes);
    expect(dataKeyFrom(bytes).export().equals(expected)).toBe(true);
    expect(bytes.equals(Buffer.alloc(32))).toBe(true);
  });

  it('refuses other lengths and still wipes them', () => {
    const short = randomBytes(16);
    expect(() => dataKeyFrom(short)).toThrow(ConfigurationError);
    expect(short.equals(Buffer.alloc(16))).toBe(true);
  });

  it('makes keys that differ', () => {
    expect(newDataKey().equals(newDataKey())).toBe(false);
  });
});

describe('deriveContextKey', () => {
  const master = createSecretKey(Buffer.alloc(32, 1));
  const place = { keyId: 'k1', clusterId: 'eu-1', database: 'tenancy_shared' };

  it('is HKDF-SHA-256 with empty salt and the documented info', () => {
    const expected = Buffer.from(hkdfSync('sha256', Buffer.alloc(32, 1), '', 'tenancy.context:k1:eu-1:tenancy_shared', 32));
    expect(deriveContextKey(master, place).export().equals(expected)).toBe(true);
  });

  it('differs by key id, cluster and database', () => {
    const keys = [place, { ...place, keyId: 'k2' }, { ...place, clusterId: 'eu-2' }, { ...place, database: 'tenancy_t1' }].map((at) =>
      deriveContextKey(master, at).export().toString('hex'),
    );
    expect(new Set(keys).size).toBe(4);
  });

  it('refuses what would let two places share a key', () => {
    expect(() => deriveContextKey(master, { keyId: 'k1:eu', clusterId: '1', database: 'd' })).toThrow(ConfigurationError);
    expect(() => deriveContextKey(master, { ...place, database: '' })).toThrow(ConfigurationError);
    expect(() => deriveContextKey(createSecretKey(randomBytes(16)), place)).toThrow(ConfigurationError);
  });
});

describe('LocalTenantKeys', () => {
  const secret = createSecretKey(Buffer.alloc(32, 3));
  const keysOf = (tenantId: string, version = 1) =>
    new LocalTenantKeys({
      tenantId,
      currentVersion: version,
      dataKeys: new Map([[version, createSecretKey(Buffer.alloc(32, 4))]]),
      indexSecret: secret,
    });
  const indexOf = (keys: LocalTenantKeys, table: string, column: string) => keys.indexKey(table, column).export().toString('hex');

  it('has an index key of its own for every tenant, table and column, the same each time', () => {
    const a = keysOf('a');
    const all = [indexOf(a, 't', 'c'), indexOf(a, 't', 'd'), indexOf(a, 'u', 'c'), indexOf(a, 'tc', ''), indexOf(keysOf('b'), 't', 'c')];
    expect(new Set(all).size).toBe(5);
    expect(indexOf(keysOf('a'), 't', 'c')).toBe(all[0]);
    expect(createHmac('sha256', a.indexKey('t', 'c')).update('x').digest()).toHaveLength(32);
  });

  it('keeps index keys through a rotation of data keys', () => {
    expect(indexOf(keysOf('a', 1), 't', 'c')).toBe(indexOf(keysOf('a', 2), 't', 'c'));
  });

  it('shows no material', () => {
    const keys = keysOf('a');
    const index = indexOf(keys, 't', 'c');
    for (const shown of [inspect(keys, { showHidden: true, depth: 10 }), JSON.stringify(keys), String(keys), JSON.stringify({ ...keys })]) {
      for (const material of ['0404', 'BAQE', '0303', 'AwMD', index]) expect(shown).not.toContain(material);
    }
    expect(JSON.parse(JSON.stringify(keys))).toEqual({ tenantId: 'a', currentVersion: 1, versions: [1] });
  });

  it('refuses keys that can’t be used', () => {
    const dataKeys = new Map([[1, newDataKey()]]);
    expect(() => new LocalTenantKeys({ tenantId: 'a', currentVersion: 2, dataKeys, indexSecret: secret })).toThrow(
      /no data key of its current version 2/,
    );
    expect(
      () => new LocalTenantKeys({ tenantId: 'a', currentVersion: 0, dataKeys: new Map([[0, newDataKey()]]), indexSecret: secret }),
    ).toThrow(ConfigurationError);
    expect(() => new LocalTenantKeys({ tenantId: 'a', currentVersion: 1, dataKeys, indexSecret: createSecretKey(randomBytes(8)) })).toThrow(
      ConfigurationError,
    );
  });
});
