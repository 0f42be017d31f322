import { Column, is, StringChunk } from 'drizzle-orm';
import { wholeTag } from '../crypto/blind-tag.ts';
import type { EncryptedColumnError } from '../errors.ts';
import type { ColumnIndex } from './column-index.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { encryptedUse } from './encrypted-use.ts';

/** An encrypted column compared for equality. */
export interface IndexComparison {
  readonly column: EncryptedColumn;
  readonly operator: string;
  /** A parameter, a list of them, or a column. */
  readonly right: unknown;
}

const operators = new Set([' = ', ' <> ', ' in ', ' not in ']);

/**
 * Recognises what drizzle's `eq`, `ne`, `inArray` and `notInArray` make of an encrypted column: exactly these five chunks. In anything wider
 * the text around could change what is compared, and tags that are never equal would answer nothing without a word.
 */
export function indexComparison(chunks: readonly unknown[]): IndexComparison | undefined {
  const column = chunks.length === 5 ? chunks[1] : undefined;
  if (!(column instanceof EncryptedColumn)) return undefined;
  const operator = textOf(chunks[2]);
  if (operator === undefined || !operators.has(operator) || textOf(chunks[0]) !== '' || textOf(chunks[4]) !== '') return undefined;
  return { column, operator, right: chunks[3] };
}

function textOf(chunk: unknown): string | undefined {
  return is(chunk, StringChunk) ? chunk.value.join('') : undefined;
}

/**
 * The index that a column can be compared by.
 *
 * @throws {EncryptedColumnError} when it has none
 */
export function requireIndex(column: EncryptedColumn): ColumnIndex {
  const { index } = column;
  if (index === undefined) {
    throw encryptedUse(
      column,
      'be compared: equal values encrypt differently',
      'Declare it with index: blindIndex(…), or select it and compare in the service; isNull and isNotNull work.',
    );
  }
  return index;
}

/** @throws {EncryptedColumnError} when the two columns' tags are not made alike, or rows of either may have none */
export function requireSharedIndex(left: EncryptedColumn, right: EncryptedColumn): void {
  for (const column of [left, right]) if (column.adoption !== undefined) throw adoptingUse(column);
  if (requireIndex(left).matches(requireIndex(right))) return;
  throw encryptedUse(
    left,
    `be compared with ${right.home}.${right.name}: their indexes have nothing in common`,
    'Give both blindIndex({ name, normalise }) with the same name and normaliser.',
  );
}

/**
 * While a column takes another over, plaintext is compared by PostgreSQL, which knows no normaliser.
 *
 * @throws {EncryptedColumnError} unless equal means the same characters
 */
export function requireExactValues(column: EncryptedColumn, operator: string, right: unknown): void {
  const { normalise, bits } = requireIndex(column).definition;
  const positive = operator === ' = ' || operator === ' in ';
  if (positive && normalise === 'exact' && bits === wholeTag && !is(right, Column)) return;
  throw adoptingUse(column);
}

function adoptingUse(column: EncryptedColumn): EncryptedColumnError {
  return encryptedUse(
    column,
    'be compared so while it takes over a plaintext column',
    'Until adopt is taken out, only eq and inArray with values work, on a blind index that is exact and has no bits.',
  );
}

/** The error for a comparison after which rows of other values could stay. */
export function truncatedUse(column: EncryptedColumn): EncryptedColumnError {
  return encryptedUse(
    column,
    'be compared here: its index is truncated, and other values have the same tag',
    'It takes a select of columns with eq or inArray among the conditions of its where, without limit, count, group or subquery; or declare the index without bits.',
  );
}
