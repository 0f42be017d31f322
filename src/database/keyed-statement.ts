import { nameOfToken, type SqlToken, tokenizeSql } from '../sql/sql-tokenizer.ts';

/** What a column is compared with: the parameter at this place, counted from 0, or a literal. */
export type ComparedValue = { readonly param: number } | { readonly literal: string };

/** A select, update or delete whose rows must have certain values: whatever else it asks, these are necessary. */
export interface KeyedStatement {
  /** The table's name, without schema. */
  readonly table: string;
  /** The values that a column may have, by the column's name. */
  readonly columns: ReadonlyMap<string, readonly ComparedValue[]>;
}

const maxLength = 10_000;
const maxDepth = 50;
const afterWhere = /^(?:group|having|window|order|limit|offset|fetch|for|returning)$/;
const afterTable =
  /^(?:as|where|set|using|join|inner|left|right|full|cross|natural|tablesample|group|having|window|order|limit|offset|fetch|for|returning|union|intersect|except)$/;

/**
 * Finds, in a statement's text, the table that it is about and the columns that its WHERE holds to single values. Undefined for everything
 * that it can't be sure of: CTEs, set operations, alternatives.
 *
 * @example
 * ```ts
 * keyedStatement('delete from "products" where "products"."tenant_id" = $1 and ("products"."id" = $2)')?.columns.get('id'); // [{ param: 1 }]
 * ```
 */
export function keyedStatement(sql: string): KeyedStatement | undefined {
  if (sql.length > maxLength) return undefined;
  const tokens = tokenizeSql(sql).filter(({ kind }) => kind !== 'space' && kind !== 'comment');
  if (tokens.some(({ kind, closed, text }) => !closed || kind === 'dollar' || /^[uU]&/.test(text))) return undefined;
  const command = wordOf(tokens[0]);
  const top = topLevel(tokens);
  if (top === undefined || top.some(({ word }) => word === 'union' || word === 'intersect' || word === 'except' || word === ';'))
    return undefined;
  const tableAt = command === 'update' ? 1 : command === 'select' || command === 'delete' ? after(top, 'from') : undefined;
  const whereAt = after(top, 'where');
  if (tableAt === undefined || whereAt === undefined) return undefined;
  const target = targetAt(tokens, tableAt);
  if (target === undefined) return undefined;
  const end = top.find(({ at, word }) => at >= whereAt && afterWhere.test(word))?.at;
  const columns = new Map<string, readonly ComparedValue[]>();
  collect(tokens.slice(whereAt, end), target.alias, columns);
  return columns.size === 0 ? undefined : { table: target.table, columns };
}

interface TopWord {
  readonly at: number;
  readonly word: string;
}

/** The words and separators outside parentheses; undefined when those don't match, or are deeper than anybody writes them. */
function topLevel(tokens: readonly SqlToken[]): readonly TopWord[] | undefined {
  const words: TopWord[] = [];
  let depth = 0;
  for (const [at, token] of tokens.entries()) {
    if (token.text === '(') {
      if (++depth > maxDepth) return undefined;
    } else if (token.text === ')' && --depth < 0) return undefined;
    else if (depth === 0 && (token.kind === 'word' || token.text === ';')) words.push({ at, word: token.text.toLowerCase() });
  }
  return depth === 0 ? words : undefined;
}

function after(words: readonly TopWord[], word: string): number | undefined {
  const found = words.find((candidate) => candidate.word === word);
  return found === undefined ? undefined : found.at + 1;
}

function wordOf(token: SqlToken | undefined): string | undefined {
  return token?.kind === 'word' ? token.text.toLowerCase() : undefined;
}

/** A table's name and what its columns are qualified by. */
function targetAt(tokens: readonly SqlToken[], start: number): { readonly table: string; readonly alias: string } | undefined {
  let at = wordOf(tokens[start]) === 'only' ? start + 1 : start;
  let table = nameOfToken(tokens[at]);
  while (tokens[at + 1]?.text === '.') {
    at += 2;
    table = nameOfToken(tokens[at]);
  }
  if (table === undefined || tokens[at + 1]?.text === '(') return undefined;
  if (wordOf(tokens[at + 1]) === 'as') at++;
  const next = tokens[at + 1];
  const aliased = next?.kind === 'quoted' || (next?.kind === 'word' && !afterTable.test(next.text.toLowerCase()));
  return { table, alias: (aliased ? nameOfToken(next) : undefined) ?? table };
}

/** Takes the comparisons of a conjunction, also of those in parentheses; an alternative holds nothing to a value. */
function collect(tokens: readonly SqlToken[], alias: string, columns: Map<string, readonly ComparedValue[]>): void {
  const top = topLevel(tokens);
  if (top === undefined || top.some(({ word }) => word === 'or')) return;
  let from = 0;
  for (const end of [...top.filter(({ word }) => word === 'and').map(({ at }) => at), tokens.length]) {
    const term = tokens.slice(from, end);
    from = end + 1;
    const inner = withoutParentheses(term);
    if (inner !== undefined) collect(inner, alias, columns);
    else {
      const compared = comparison(term, alias);
      if (compared !== undefined && !columns.has(compared.column)) columns.set(compared.column, compared.values);
    }
  }
}

/** What stands in one pair of parentheses around all of it. */
function withoutParentheses(tokens: readonly SqlToken[]): readonly SqlToken[] | undefined {
  if (tokens[0]?.text !== '(' || tokens.at(-1)?.text !== ')') return undefined;
  const inner = tokens.slice(1, -1);
  return topLevel(inner) === undefined ? undefined : inner;
}

interface Comparison {
  readonly column: string;
  readonly values: readonly ComparedValue[];
}

/** `column = value`, `value = column`, `column in (value, …)`, `column = any(value)`. */
function comparison(tokens: readonly SqlToken[], alias: string): Comparison | undefined {
  const left = columnAt(tokens, 0, alias);
  if (left === undefined) {
    const value = valueAt(tokens, 0);
    const right = value === undefined || tokens[value.next]?.text !== '=' ? undefined : columnAt(tokens, value.next + 1, alias);
    return value !== undefined && right?.next === tokens.length ? { column: right.column, values: [value.value] } : undefined;
  }
  const operator = tokens[left.next]?.text.toLowerCase();
  const any = operator === '=' && wordOf(tokens[left.next + 1]) === 'any';
  if (operator === 'in' || any) {
    const open = left.next + (any ? 2 : 1);
    if (tokens[open]?.text !== '(') return undefined;
    const values = listAt(tokens, open + 1);
    return values === undefined ? undefined : { column: left.column, values };
  }
  const value = operator === '=' ? valueAt(tokens, left.next + 1) : undefined;
  return value?.next === tokens.length ? { column: left.column, values: [value.value] } : undefined;
}

/** Values up to the parenthesis that ends the term. */
function listAt(tokens: readonly SqlToken[], start: number): readonly ComparedValue[] | undefined {
  const values: ComparedValue[] = [];
  for (let at = start; ; ) {
    const value = valueAt(tokens, at);
    if (value === undefined) return undefined;
    values.push(value.value);
    const separator = tokens[value.next]?.text;
    if (separator === ')') return value.next + 1 === tokens.length ? values : undefined;
    if (separator !== ',') return undefined;
    at = value.next + 1;
  }
}

function columnAt(
  tokens: readonly SqlToken[],
  start: number,
  alias: string,
): { readonly column: string; readonly next: number } | undefined {
  let at = start;
  const names: (string | undefined)[] = [nameOfToken(tokens[at])];
  while (tokens[at + 1]?.text === '.') {
    at += 2;
    names.push(nameOfToken(tokens[at]));
  }
  const column = names.at(-1);
  if (column === undefined || names.includes(undefined) || (names.length > 1 && names.at(-2) !== alias)) return undefined;
  return { column, next: afterCast(tokens, at + 1) };
}

function valueAt(tokens: readonly SqlToken[], at: number): { readonly value: ComparedValue; readonly next: number } | undefined {
  const token = tokens[at];
  const next = tokens[at + 1];
  if (token?.text === '$' && next?.kind === 'number') return { value: { param: Number(next.text) - 1 }, next: afterCast(tokens, at + 2) };
  if (token?.kind === 'number' && /^\d+$/.test(token.text)) return { value: { literal: token.text }, next: afterCast(tokens, at + 1) };
  if (token?.kind !== 'string' || !token.text.startsWith("'") || next?.kind === 'string') return undefined;
  return { value: { literal: token.text.slice(1, -1).replaceAll("''", "'") }, next: afterCast(tokens, at + 1) };
}

function afterCast(tokens: readonly SqlToken[], start: number): number {
  let at = start;
  while (tokens[at]?.text === '::' && nameOfToken(tokens[at + 1]) !== undefined) {
    at += 2;
    while (tokens[at]?.text === '.') at += 2;
    if (tokens[at]?.text === '[' && tokens[at + 1]?.text === ']') at += 2;
  }
  return at;
}
