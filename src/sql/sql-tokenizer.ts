export type SqlTokenKind = 'space' | 'comment' | 'string' | 'dollar' | 'quoted' | 'word' | 'number' | 'symbol';

/** One lexical piece of SQL. The texts of all tokens, joined, are the input again. */
export interface SqlToken {
  readonly kind: SqlTokenKind;
  readonly text: string;
  /** Offset of its first character in the input. */
  readonly start: number;
  /** False for a string, identifier or comment that the input ends in the middle of. */
  readonly closed: boolean;
}

const escapeString = /[eE]'(?:[^'\\]|\\[\s\S]|'')*('?)/y;
const continuedEscapeString = /'(?:[^'\\]|\\[\s\S]|'')*('?)/y;

/** In the order in which they are tried; a group, where there is one, is the closing quote. */
const patterns: readonly (readonly [SqlTokenKind, RegExp])[] = [
  ['space', /\s+/y],
  ['comment', /--[^\n\r]*/y],
  ['string', escapeString],
  ['string', /(?:[uU]&|[bBxXnN])?'(?:[^']|'')*('?)/y],
  ['quoted', /(?:[uU]&)?"(?:[^"]|"")*("?)/y],
  ['word', /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y],
  ['number', /\d\w*(?:\.\d\w*)?/y],
  ['symbol', /::|[\s\S]/y],
];
const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;

/**
 * Splits SQL the way PostgreSQL's lexer does (with `standard_conforming_strings` on, which a migration's session sets), so that text
 * inside literals, dollar quotes and comments is never taken for SQL.
 *
 * @example
 * ```ts
 * tokenizeSql(`select 'a;b'; -- c`).map((token) => token.kind); // word space string symbol space comment
 * ```
 */
export function tokenizeSql(sql: string): readonly SqlToken[] {
  const tokens: SqlToken[] = [];
  for (let at = 0; at < sql.length; at += tokens.at(-1)!.text.length) tokens.push(tokenAt(sql, at, tokens));
  return tokens;
}

function tokenAt(sql: string, start: number, before: readonly SqlToken[]): SqlToken {
  const token = (kind: SqlTokenKind, end: number | undefined): SqlToken => ({
    kind,
    text: sql.slice(start, end),
    start,
    closed: end !== undefined,
  });
  if (sql.startsWith('/*', start)) return token('comment', endOfBlockComment(sql, start));
  const tag = textAt(dollarTag, sql, start)?.[0];
  if (tag !== undefined) {
    const end = sql.indexOf(tag, start + tag.length);
    return token('dollar', end < 0 ? undefined : end + tag.length);
  }
  const continued = sql[start] === "'" && continuesEscapeString(before) ? textAt(continuedEscapeString, sql, start) : undefined;
  if (continued !== undefined) return { kind: 'string', text: continued[0], start, closed: continued[1] !== '' };
  for (const [kind, pattern] of patterns) {
    const found = textAt(pattern, sql, start);
    if (found !== undefined) return { kind, text: found[0], start, closed: found[1] !== '' };
  }
  return token('symbol', start + 1);
}

function textAt(pattern: RegExp, sql: string, start: number): RegExpExecArray | undefined {
  pattern.lastIndex = start;
  return pattern.exec(sql) ?? undefined;
}

/** PostgreSQL's block comments nest. */
function endOfBlockComment(sql: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < sql.length; at += 1) {
    if (sql.startsWith('/*', at)) {
      depth += 1;
      at += 1;
    } else if (sql.startsWith('*/', at)) {
      depth -= 1;
      at += 1;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}

/** A literal on the next line continues the one before it, escapes included: `E'a'⏎'b\'c'`. */
function continuesEscapeString(tokens: readonly SqlToken[]): boolean {
  let gap = '';
  for (let i = tokens.length - 1; i >= 0; i -= 1) {
    const token = tokens[i]!;
    if (token.kind === 'space') gap += token.text;
    else if (token.kind === 'string' && gap.includes('\n')) {
      if (/^[eE]/.test(token.text)) return true;
      gap = '';
    } else return false;
  }
  return false;
}

/** The name that a token stands for, in PostgreSQL's way: quoted as it is, bare in lower case. Undefined when it is neither. */
export function nameOfToken(token: SqlToken | undefined): string | undefined {
  if (token?.kind === 'quoted') return token.text.slice(1, -1).replaceAll('""', '"');
  return token?.kind === 'word' ? token.text.toLowerCase() : undefined;
}
