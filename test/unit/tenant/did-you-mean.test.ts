import fc from 'fast-check';
import { expect, test } from 'vitest';
import { didYouMean } from '../../../src/tenant/did-you-mean.ts';

const known = ['id', 'name', 'tier', 'region', 'features', 'primary_color', 'logo_url', 'data_residency'];

test.each([
  ['teir', 'tier'],
  ['Tier', 'tier'],
  ['regions', 'region'],
  ['primaryColor', 'primary_color'],
  ['primary-colour', 'primary_color'],
  ['logo_uri', 'logo_url'],
  ['dataresidency', 'data_residency'],
  ['zzz', undefined],
  ['quota', undefined],
  ['x'.repeat(1000), undefined],
])('%s → %s', (word, meant) => {
  expect(didYouMean(word, known)).toBe(meant);
});

test('a known word means itself, and no word breaks it', () => {
  for (const word of known) expect(didYouMean(word, known)).toBe(word);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (word) => {
      expect([...known, undefined]).toContain(didYouMean(word, known));
    }),
  );
});
