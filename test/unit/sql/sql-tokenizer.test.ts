import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenizeSql } from '../../../src/sql/sql-tokenizer.ts';

const kinds = (sql: string): string[] =>
  tokenizeSql(sql)
    .filter(({ kind }) => kind !== 'space')
    .map(({ kind, text }) => `${kind} ${text}`);

describe('tokenizeSql', () => {
  it.each<[string, string[]]>([
    [`select 'it''s; -- no'`, ['word select', `string 'it''s; -- no'`]],
    [`E'a\\'b; ' x`, [`string E'a\\'b; '`, 'word x']],
    [`'a\\' x`, [`string 'a\\'`, 'word x']],
    [`e'a'\n'b\\'c' x`, [`string e'a'`, `string 'b\\'c'`, 'word x']],
    [`'a'\n'b\\' x`, [`string 'a'`, `string 'b\\'`, 'word x']],
    [`"a""b;"."c"`, ['quoted "a""b;"', 'symbol .', 'quoted "c"']],
    [`U&"p\\0075blic"`, ['quoted U&"p\\0075blic"']],
    ['$$ ; "x" $$ y', ['dollar $$ ; "x" $$', 'word y']],
    ['$a$ $$ $b$ $a$y', ['dollar $a$ $$ $b$ $a$', 'word y']],
    ['foo$a$ bar$a$', ['word foo$a$', 'word bar$a$']],
    ['$1 + $2', ['symbol $', 'number 1', 'symbol +', 'symbol $', 'number 2']],
    ['/* a /* b */ ; */ x -- ;\ny', ['comment /* a /* b */ ; */', 'word x', 'comment -- ;', 'word y']],
    [`'x'::public.status[]`, [`string 'x'`, 'symbol ::', 'word public', 'symbol .', 'word status', 'symbol [', 'symbol ]']],
    [`X'ff' B'1' N'n'`, [`string X'ff'`, `string B'1'`, `string N'n'`]],
  ])('%s', (sql, expected) => expect(kinds(sql)).toEqual(expected));

  it.each([`'open`, '"open', '$$ open $', '/* open /* */', `E'open\\'`])('marks what is never closed: %s', (sql) => {
    expect(tokenizeSql(sql).at(-1)?.closed).toBe(false);
  });

  it('loses nothing, whatever it is given', () => {
    const piece = fc.oneof(
      fc.constantFrom(`'`, '"', '$', '$$', '$a$', '--', '/*', '*/', '\\', 'E', 'U&', '\n', ';', 'public', '.'),
      fc.string({ maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const sql = pieces.join('');
        const tokens = tokenizeSql(sql);
        expect(tokens.map(({ text }) => text).join('')).toBe(sql);
        for (const token of tokens) expect(sql.startsWith(token.text, token.start)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
