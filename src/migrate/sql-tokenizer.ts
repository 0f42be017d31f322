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

const space = /\s+/y;
const lineComment = /--[^\n\r]*/y;
const escapeString = /[eE]'(?:[^'\\]|\\[\s\S]|'')*('?)/y;
const plainString = /(?:[uU]&|[bBxXnN])?'(?:[^']|'')*('?)/y;
const continuedEscapeString = /'(?:[^'\\]|\\[\s\S]|'')*('?)/y;
const quotedName = /(?:[uU]&)?"(?:[^"]|"")*("?)/y;
const word = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
const number = /\d\w*(?:\.\d\w*)?/y;

/**
 * Splits SQL the way PostgreSQL's lexer does (with `standard_conforming_strings` on, the only setting since PostgreSQL 19), so that text
 * inside literals, dollar quotes and comments is never taken for SQL.
 *
 * @example
 * ```ts
 * tokenizeSql(`select 'a;b'; -- c`).map((token) => token.kind); // word space string symbol space comment
 * ```
 */
export function tokenizeSql(sql: string): readonly SqlToken[] {
  const tokens: SqlToken[] = [];
  let at = 0;
  const push = (kind: SqlTokenKind, end: number, closed = true): void => {
    tokens.push({ kind, text: sql.slice(at, end), start: at, closed });
    at = end;
  };
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(sql);
  };
  while (at < sql.length) {
    let found: RegExpExecArray | null;
    if ((found = match(space))) push('space', at + found[0].length);
    else if ((found = match(lineComment))) push('comment', at + found[0].length);
    else if (sql.startsWith('/*', at)) {
      const end = endOfBlockComment(sql, at);
      push('comment', end ?? sql.length, end !== undefined);
    } else if ((found = match(escapeString) ?? (continuesEscapeString(tokens) ? match(continuedEscapeString) : null) ?? match(plainString))) {
      push('string', at + found[0].length, found[1] === "'");
    } else if ((found = match(quotedName))) push('quoted', at + found[0].length, found[1] === '"');
    else if ((found = match(word))) push('word', at + found[0].length);
    else if ((found = match(dollarTag))) {
      const end = sql.indexOf(found[0], at + found[0].length);
      push('dollar', end < 0 ? sql.length : end + found[0].length, end >= 0);
    } else if ((found = match(number))) push('number', at + found[0].length);
    else push('symbol', at + (sql.startsWith('::', at) ? 2 : 1));
  }
  return tokens;
}

/** PostgreSQL's block comments nest. */
function endOfBlockComment(sql: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < sql.length; at += 1) {
    if (sql.startsWith('/*', at)) { depth += 1; at += 1; }
    else if (sql.startsWith('*/', at)) {
      depth -= 1; at += 1;
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
