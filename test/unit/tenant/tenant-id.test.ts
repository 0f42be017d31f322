import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidTenantIdError } from '../../../src/errors.ts';
import { parseTenantId, schemaNameOf } from '../../../src/tenant/tenant-id.ts';

const letters = 'abcdefghijklmnopqrstuvwxyz';
const wellFormed = fc
  .tuple(fc.constantFrom(...letters), fc.string({ unit: fc.constantFrom(...letters, ...'0123456789', '-'), maxLength: 47 }))
  .map((parts) => parts.join(''));

describe('parseTenantId', () => {
  test('accepts what the pattern allows and returns it unchanged, unless its schema name is reserved', () => {
    fc.assert(
      fc.property(wellFormed, (id) => {
        try {
          expect(parseTenantId(id)).toBe(id);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidTenantIdError);
          expect((error as Error).message).toContain('reserved');
        }
      }),
    );
  });

  test('refuses every string that the pattern does not allow, and says so with the typed error only', () => {
    const noise = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string(),
      wellFormed.chain((id) =>
        fc
          .tuple(fc.nat({ max: id.length }), fc.constantFrom('"', "'", ';', '_', '.', ' ', '\n', '\0', '%', 'A', 'é', '/', '\\', '\u202e'))
          .map(([at, bad]) => id.slice(0, at) + bad + id.slice(at)),
      ),
    );
    fc.assert(
      fc.property(noise, (value) => {
        fc.pre(!/^[a-z][a-z0-9-]*$/.test(value) || value.length > 48);
        expect(() => parseTenantId(value)).toThrow(InvalidTenantIdError);
      }),
      { numRuns: 500 },
    );
  });

  test('refuses everything that is no string, and never coerces', () => {
    fc.assert(
      fc.property(
        fc.anything().filter((value) => typeof value !== 'string'),
        (value) => {
          expect(() => parseTenantId(value)).toThrow(InvalidTenantIdError);
        },
      ),
    );
    expect(() => parseTenantId(['tenant-100'])).toThrow(InvalidTenantIdError);
    expect(() => parseTenantId({ toString: () => 'tenant-100' })).toThrow(InvalidTenantIdError);
  });

  test.each(['public', 'pg-temp', 'pg-x', 'information-schema', 'tenancy', 'reference', 'extensions', 'template0', 'current-user'])(
    'reserves %s',
    (id) => {
      expect(() => parseTenantId(id)).toThrow(/reserved/);
    },
  );

  test.each(['', 'A', '1a', '-a', 'a_b', 'a b', 'a\n', 'a'.repeat(49), 'tenant-100\0', 'ténant'])('refuses %j', (id) => {
    expect(() => parseTenantId(id)).toThrow(InvalidTenantIdError);
  });

  test('an over-long id is cut in the message', () => {
    expect(() => parseTenantId('x'.repeat(5000))).toThrow(/^"x{60}…" is not a tenant id\./);
  });

  test('distinct ids have distinct schema names, each of at most 48 characters that need no quoting', () => {
    fc.assert(
      fc.property(wellFormed, wellFormed, (left, right) => {
        expect(schemaNameOf(left)).toMatch(/^[a-z][a-z0-9_]{0,47}$/);
        expect(schemaNameOf(left) === schemaNameOf(right)).toBe(left === right);
      }),
    );
  });
});
