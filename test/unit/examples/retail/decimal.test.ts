import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDecimal, parseDecimal } from '../../../../examples/retail/csv/decimal.ts';

test.each([
  ['2.55', 25_500n],
  ['0', 0n],
  ['-11062.06', -110_620_600n],
  ['0.0001', 1n],
  ['2.550000', 25_500n],
  ['99999999.9999', 999_999_999_999n],
  ['', undefined],
  ['1.', undefined],
  ['.5', undefined],
  ['1,5', undefined],
  ['1e3', undefined],
  ['NaN', undefined],
  ['0.00001', undefined],
  ['100000000', undefined],
  ['+1', undefined],
  ['0x10', undefined],
])('%j is %s', (text, units) => {
  expect(parseDecimal(text)).toBe(units);
});

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -999_999_999_999n, max: 999_999_999_999n }), (units) => {
      expect(formatDecimal(units)).toMatch(/^-?\d+\.\d{4}$/);
      expect(parseDecimal(formatDecimal(units))).toBe(units);
    }),
  );
});
