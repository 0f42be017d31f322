import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../../src/errors.ts';
import { checkIdentifier, quoteIdentifier, quoteLiteral } from '../../../src/sql/identifier.ts';
import { qualifiedName } from '../../../src/sql/qualified-name.ts';

describe('quoteIdentifier', () => {
  test.each([
    ['plain', '"plain"'],
    ['Mixed Case', '"Mixed Case"'],
    ['a"b', '"a""b"'],
    ['"; drop table x; --', '"""; drop table x; --"'],
    ['ü'.repeat(31), `"${'ü'.repeat(31)}"`],
  ])('%s', (name, quoted) => {
    expect(quoteIdentifier(name)).toBe(quoted);
  });

  test.each([[''], ['a\0b'], ['x'.repeat(64)], ['ü'.repeat(32)], ['\ud800']])('refuses what can’t be a name: %j', (name) => {
    expect(() => quoteIdentifier(name)).toThrow(ConfigurationError);
    expect(() => checkIdentifier(name)).toThrow(ConfigurationError);
  });
});

describe('quoteLiteral', () => {
  test.each([
    ['', "''"],
    ["o'clock", "'o''clock'"],
    ["';--", "''';--'"],
    ['a\\b', " E'a\\\\b'"],
    ["\\'", " E'\\\\'''"],
    ['ü\n', "'ü\n'"],
  ])('%j', (value, quoted) => {
    expect(quoteLiteral(value)).toBe(quoted);
  });

  test.each([['a\0'], ['\udfff']])('refuses what text can’t hold: %j', (value) => {
    expect(() => quoteLiteral(value)).toThrow(ConfigurationError);
  });
});

test('a qualified name quotes both parts', () => {
  expect(qualifiedName('a.b', 'c"d')).toBe('"a.b"."c""d"');
});
