import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arrayLiteral, parseArrayLiteral } from '../../../src/connection/array-literal.ts';
import { encodeParameters } from '../../../src/connection/parameters.ts';
import { NotSupportedError } from '../../../src/errors.ts';

describe('encodeParameters', () => {
  test('turns values into text with the types that postgres.js infers', () => {
    const at = new Date('2024-01-02T03:04:05.006Z');
    expect(
      encodeParameters(['x', 1.5, null, true, false, 12n, at, new Uint8Array([1, 255]), [1, [2]], { a: 1 }, { toJSON: () => 7 }], 'a'),
    ).toEqual([
      'x',
      '1.5',
      null,
      { text: 't', oid: 16 },
      { text: 'f', oid: 16 },
      { text: '12', oid: 20 },
      { text: '2024-01-02T03:04:05.006Z', oid: 1184 },
      { text: '\\x01ff', oid: 17 },
      '{"1",{"2"}}',
      '{"a":1}',
      '7',
    ]);
  });

  test('reads a view of a larger buffer only', () => {
    expect(encodeParameters([new Uint8Array([9, 1, 2, 9]).subarray(1, 3)], 'a')).toEqual([{ text: '\\x0102', oid: 17 }]);
  });

  test('names the position of what can’t travel, never the value', () => {
    const cycle: { self?: unknown; secret: string } = { secret: 'hunter2' };
    cycle.self = cycle;
    for (const value of [undefined, Symbol('hunter2'), () => 'hunter2', new Date(Number.NaN), cycle, ['fine', undefined]]) {
      expect(() => encodeParameters(['x', value], 'a')).toThrow(NotSupportedError);
      expect(() => encodeParameters(['x', value], 'a')).toThrow(/\$2/);
      expect(() => encodeParameters(['x', value], 'a')).not.toThrow(/hunter2/);
    }
  });

  test('bounds their number and length', () => {
    expect(
      encodeParameters(
        Array.from({ length: 65_533 }, () => 'x'),
        'a',
      ),
    ).toHaveLength(65_533);
    expect(() =>
      encodeParameters(
        Array.from({ length: 65_534 }, () => 'x'),
        'a',
      ),
    ).toThrow(/65533/);
    const large = 'x'.repeat(64 * 1024 * 1024);
    expect(() => encodeParameters([large, large, large, large, large], 'a')).toThrow(NotSupportedError);
  });
});

describe('array literals', () => {
  test('survive the way there and back', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('NULL', 'null', '', '"', '\\', ',', '{', '}', ' a ', '\\"'));
    fc.assert(
      fc.property(fc.array(fc.oneof(text, fc.constant(null))), (values) => {
        expect(
          parseArrayLiteral(
            arrayLiteral(values, (value) => value as string | null),
            (element) => element,
          ),
        ).toEqual(values);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.array(text, { minLength: 1 }), { minLength: 1 }), (values) => {
        expect(parseArrayLiteral(arrayLiteral(values, String), (element) => element)).toEqual(values);
      }),
    );
  });

  test('read lower bounds and leave alone what is no array', () => {
    expect(parseArrayLiteral('[0:1]={1,NULL}', Number)).toEqual([1, null]);
    expect(parseArrayLiteral('{}', Number)).toEqual([]);
    expect(parseArrayLiteral('nonsense', Number)).toBe('nonsense');
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseArrayLiteral(`{${text}`, String);
      }),
    );
  });
});
