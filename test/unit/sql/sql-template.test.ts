import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../../src/errors.ts';
import { renderSql, renderSqlFiles } from '../../../src/sql/sql-template.ts';

describe('renderSql', () => {
  test('quotes identifiers and literals', () => {
    expect(renderSql(`grant usage to {{app}}; select {{'app'}}, {{'note'}}`, { app: 'a"b', note: "it's" }, 'x.sql')).toBe(
      `grant usage to "a""b"; select 'a"b', 'it''s'`,
    );
  });

  test('a value is not looked at again: placeholders in it stay text', () => {
    expect(renderSql(`select {{'a'}}, {{'b'}}`, { a: '{{b}}', b: '$&' }, 'x.sql')).toBe(`select '{{b}}', '$&'`);
  });

  test.each([
    ['without a value', '{{app}} {{owner}}', { app: 'x' }, /\{\{owner\}\}/],
    ['without a placeholder', '{{app}}', { app: 'x', owner: 'y' }, /owner/],
    ['that every object has', '{{toString}}', {}, /toString/],
    ['that is misspelt', '{{ app }}', { app: 'x' }, /\{\{ app \}\}/],
    ['half quoted', `{{'app}}`, { app: 'x' }, /app/],
  ])('refuses one %s', (_name, template, values, message) => {
    expect(() => renderSql(template, values as Record<string, string>, 'x.sql')).toThrow(ConfigurationError);
    expect(() => renderSql(template, values as Record<string, string>, 'x.sql')).toThrow(message);
  });

  test('a value that can’t be quoted is refused', () => {
    expect(() => renderSql('{{app}}', { app: '' }, 'x.sql')).toThrow(ConfigurationError);
  });
});

test('over several files a value must be used by one of them', () => {
  const files = [
    { name: 'a', text: '{{owner}}' },
    { name: 'b', text: 'select 1' },
  ];
  expect(renderSqlFiles(files, { owner: 'o' }, 'set').map(({ rendered }) => rendered)).toEqual(['"o"', 'select 1']);
  expect(() => renderSqlFiles(files, { owner: 'o', app: 'a' }, 'set')).toThrow(/app/);
});
