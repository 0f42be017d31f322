import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyText } from '../../../src/database/copy-options.ts';
import { GivenTenantId } from '../../../src/database/deferred.ts';
import { inlineLiteral } from '../../../src/database/inline-literal.ts';
import { ConfigurationError, NotSupportedError } from '../../../src/errors.ts';

describe('inlineLiteral', () => {
  it.each([
    [null, 'null'],
    [true, 'true'],
    [5, '5'],
    [-5, '(-5)'],
    [-5n, '(-5)'],
    [Number.NaN, "'NaN'"],
    ["it's", "'it''s'"],
    ['a\\b', " E'a\\\\b'"],
    [new Date('2024-01-02T03:04:05Z'), "'2024-01-02T03:04:05.000Z'"],
    [new Uint8Array([0, 255]), " E'\\\\x00ff'::bytea"],
    [{ a: "'" }, `'{"a":"''"}'`],
    [[1, null, 'x"y'], ` E'{"1",NULL,"x\\\\"y"}'`],
  ])('%o', (value, literal) => {
    expect(inlineLiteral(value)).toBe(literal);
  });

  it('refuses what must not become text', () => {
    for (const value of ['a\0b', new GivenTenantId('acme'), [new GivenTenantId('acme')], () => 1])
      expect(() => inlineLiteral(value)).toThrow(NotSupportedError);
  });

  it('text stays inside its quotes, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => !text.includes('\0')),
        (text) => {
          const literal = inlineLiteral(text);
          const escaped = literal.startsWith(' E');
          const inner = literal.slice(escaped ? 3 : 1, -1);
          // Nothing that is left over could end the literal.
          expect(escaped ? inner.replaceAll('\\\\', '').replaceAll("''", '') : inner.replaceAll("''", '')).not.toMatch(/['\\]/);
          const read = inner.replaceAll("''", "'");
          expect(escaped ? read.replaceAll('\\\\', '\\') : read).toBe(text);
        },
      ),
    );
  });
});

describe('copyText', () => {
  it('writes PostgreSQL’s options', () => {
    expect(copyText('select 1', {})).toBe('copy (\nselect 1\n) to stdout with (format csv)');
    expect(copyText('select 1', { format: 'text', header: false, delimiter: "'", null: "it's" })).toBe(
      "copy (\nselect 1\n) to stdout with (format text, header false, delimiter '''', null 'it''s')",
    );
  });

  it('refuses others', () => {
    for (const options of [
      { format: 'csv) from stdin --' as 'csv' },
      { delimiter: '' },
      { delimiter: ',,' },
      { format: 'binary', header: true },
    ] as const)
      expect(() => copyText('select 1', options)).toThrow(ConfigurationError);
  });
});
