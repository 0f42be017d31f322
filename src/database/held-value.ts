import { Column, is, Param, Placeholder, type SQL, StringChunk } from 'drizzle-orm';
import { tokenizeSql } from '../sql/sql-tokenizer.ts';
import { chunkKind, chunkKindOf } from './chunk-kind.ts';
import { identityOf, isAlias, rangeNameOf } from './drizzle-internals.ts';

/**
 * The value that a condition holds a column to: that of drizzle's `eq(column, value)` where it is the condition, or one of those that must
 * all hold (`and`). Undefined when the condition may hold for rows of another value, or nothing can be said.
 */
export function heldValue(condition: SQL, column: Column): unknown {
  const chunks = condition.queryChunks.filter((chunk) => textOf(chunk) !== '');
  if (chunks.length === 3 && isSame(chunks[0], column) && textOf(chunks[1]) === ' = ') return comparedValue(chunks[2], chunks[0]);
  const inner = chunks.length > 2 && textOf(chunks[0]) === '(' && textOf(chunks.at(-1)) === ')' ? chunks.slice(1, -1) : chunks;
  const conjunction = inner.every((chunk, i) => (i % 2 === 0 ? isSql(chunk) : textOf(chunk) === ' and '));
  if (!conjunction || inner.length % 2 === 0) return undefined;
  const conditions = inner.filter(isSql);
  if (conditions.length > 1 && conditions.some(isOpen)) return undefined;
  return conditions.map((one) => heldValue(one, column)).find((value) => value !== undefined);
}

/** Of an alias, drizzle makes the columns anew at each mention. */
function isSame(chunk: unknown, column: Column): chunk is Column {
  if (chunk === column) return true;
  if (!is(chunk, Column) || !isAlias(column.table) || identityOf(chunk.table) !== identityOf(column.table)) return false;
  return chunk.name === column.name && isAlias(chunk.table) && rangeNameOf(chunk.table) === rangeNameOf(column.table);
}

function comparedValue(right: unknown, column: Column): unknown {
  if (is(right, Placeholder)) return right;
  return is(right, Param) && right.encoder === column ? right.value : undefined;
}

function textOf(chunk: unknown): string | undefined {
  return is(chunk, StringChunk) ? chunk.value.join('') : undefined;
}

function isSql(chunk: unknown): chunk is SQL {
  return typeof chunk === 'object' && chunk !== null && chunkKindOf(chunk) === chunkKind.sql;
}

/** Whether a condition without parentheses around it could reach beyond itself: `and` binds closer than an `or` in it. */
function isOpen(condition: SQL): boolean {
  let depth = 0;
  for (const { kind, text, closed } of tokenizeSql(flatText(condition))) {
    if (!closed || kind === 'comment') return true;
    if (text === '(') depth += 1;
    else if (text === ')') depth -= 1;
    if (depth < 0 || (depth === 0 && kind === 'word' && text.toLowerCase() === 'or')) return true;
  }
  return depth !== 0;
}

/** What is no text stands for itself. */
function flatText(condition: SQL): string {
  return condition.queryChunks.map((chunk) => textOf(chunk) ?? (isSql(chunk) ? flatText(chunk) : ' x ')).join('');
}
