import { type SqlToken, tokenizeSql } from '../sql/sql-tokenizer.ts';

/** One statement of a script. */
export interface SqlStatement {
  /** As written, without the closing semicolon. */
  readonly text: string;
  /** Without spaces and comments. */
  readonly tokens: readonly SqlToken[];
}

/**
 * Splits a script at the semicolons that end statements: not at those in literals, comments, parentheses or the body of a function
 * written `BEGIN ATOMIC … END`. Statements without any token are left out.
 */
export function sqlStatements(sql: string): readonly SqlStatement[] {
  const statements: SqlStatement[] = [];
  let tokens: SqlToken[] = [];
  let text = '';
  let parentheses = 0;
  let blocks = 0;
  const finish = (): void => {
    if (tokens.length > 0) statements.push({ text: text.trim(), tokens });
    tokens = [];
    text = '';
    parentheses = 0;
    blocks = 0;
  };
  for (const token of tokenizeSql(sql)) {
    if (token.kind === 'symbol' && token.text === ';' && parentheses === 0 && blocks === 0) {
      finish();
      continue;
    }
    text += token.text;
    if (token.kind === 'space' || token.kind === 'comment') continue;
    if (token.kind === 'symbol') {
      if (token.text === '(') parentheses += 1;
      else if (token.text === ')') parentheses = Math.max(0, parentheses - 1);
    } else if (isWord(token, 'atomic') && tokens.length > 0 && isWord(tokens.at(-1), 'begin')) blocks = 1;
    else if (blocks > 0 && isWord(token, 'case')) blocks += 1;
    else if (blocks > 0 && isWord(token, 'end')) blocks -= 1;
    tokens.push(token);
  }
  finish();
  return statements;
}

/** Whether a token is one of these keywords, unquoted, in any case. */
export function isWord(token: SqlToken | undefined, ...words: readonly string[]): boolean {
  return token?.kind === 'word' && words.includes(token.text.toLowerCase());
}
