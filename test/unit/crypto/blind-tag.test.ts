import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blindTag, type TagDefinition, wholeTag } from '../../../src/crypto/blind-tag.ts';
import { dataKeyFrom, newDataKey } from '../../../src/crypto/data-key.ts';
import { lengthPrefixed } from '../../../src/crypto/length-prefixed.ts';
import { LocalTenantKeys } from '../../../src/crypto/local-tenant-keys.ts';
import { type Normaliser, normalisers } from '../../../src/crypto/normaliser.ts';

const keysOf = (tenantId: string, currentVersion = 1) =>
  new LocalTenantKeys({
    tenantId,
    currentVersion,
    dataKeys: new Map([[currentVersion, newDataKey()]]),
    indexSecret: dataKeyFrom(Buffer.alloc(32, 7)),
  });
const keys = keysOf('tenant-100');
const definition: TagDefinition = { table: 'products', column: 'iban', normalise: 'exact', bits: wholeTag };
const value = Buffer.from('DE89');

describe('a tag', () => {
  it('is the HMAC that is documented', () => {
    const message = Buffer.concat([lengthPrefixed(['tenancy.blind-index.tag', 'exact', Buffer.of(0, 0, 1, 0)]), value]);
    expect(blindTag(keys, definition, value)).toEqual(createHmac('sha256', keys.indexKey('products', 'iban')).update(message).digest());
    // Written once: another one would find no row that was written before.
    expect(blindTag(keys, definition, value).toString('hex')).toBe('fcbf335c00a30f4b488a967a7d1a49ff9c76088371ae7c965a4bc8b29a17e55f');
  });

  it('is another for each tenant, table, column, normaliser and width, and the same under another data key', () => {
    const tags = [
      blindTag(keys, definition, value),
      blindTag(keysOf('tenant-200'), definition, value),
      blindTag(keys, { ...definition, table: '' }, value),
      blindTag(keys, { ...definition, column: 'other' }, value),
      blindTag(keys, { ...definition, normalise: 'case' }, value),
      blindTag(keys, { ...definition, bits: 64 }, value),
      blindTag(keys, { ...definition, bits: 63 }, value),
    ].map((tag) => tag.toString('hex').slice(0, 14));
    expect(new Set(tags).size).toBe(tags.length);
    expect(blindTag(keysOf('tenant-100', 2), definition, value)).toEqual(blindTag(keys, definition, value));
  });

  it('has as many bits as it should, the rest zero', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 64 }), fc.uint8Array(), (bits, bytes) => {
        const tag = blindTag(keys, { ...definition, bits }, Buffer.from(bytes));
        expect(tag.byteLength).toBe(Math.ceil(bits / 8));
        const spare = tag.byteLength * 8 - bits;
        expect(tag[tag.byteLength - 1]! & ((1 << spare) - 1)).toBe(0);
      }),
    );
    const seen = new Set(Array.from({ length: 200 }, (_, i) => blindTag(keys, { ...definition, bits: 3 }, Buffer.from(String(i)))[0]));
    expect(seen.size).toBe(8);
  });
});

describe('normalisers', () => {
  const same: [Normaliser, string, string][] = [
    ['unicode', 'e\u0301', '\u00e9'],
    ['unicode', 'ﬁ', 'fi'],
    ['case', 'Straße', 'STRASSE'],
    ['case', 'ΟΔΟΣ', 'οδος'],
    ['case', 'E\u0301', 'é'],
    ['alphanumeric', 'DE89 3704-0044', 'de8937040044'],
    ['alphanumeric', 'Müller & Söhne', 'MÜLLER, SÖHNE'],
    ['digits', '+49 (170) 12', '４９ 170-12'],
  ];
  it.each(same)('%s takes %s and %s for the same', (normaliser, left, right) => {
    expect(normalisers[normaliser](left)).toBe(normalisers[normaliser](right));
    expect(normalisers.exact(left)).not.toBe(normalisers.exact(right));
  });

  it.each<[Normaliser, string, string]>([
    ['unicode', 'a', 'A'],
    ['case', 'a b', 'ab'],
    ['alphanumeric', 'a1', 'a2'],
    ['digits', '12', '21'],
  ])('%s tells %s from %s', (normaliser, left, right) => {
    expect(normalisers[normaliser](left)).not.toBe(normalisers[normaliser](right));
  });

  it('change nothing the second time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.constantFrom(...(Object.keys(normalisers) as Normaliser[])), (text, name) => {
        const once = normalisers[name](text);
        expect(normalisers[name](once)).toBe(once);
      }),
      { numRuns: 2_000 },
    );
  });
});
