import { Column, is, SQL, StringChunk } from 'drizzle-orm';
import type { PgSelectConfig, SelectedFieldsOrdered } from 'drizzle-orm/pg-core';
import { orderSelectedFields } from './drizzle-internals.ts';
import type { EncryptedColumn } from './encrypted-column.ts';
import { withoutHiddenColumns } from './hidden-column.ts';
import { type IndexComparison, indexComparison, truncatedUse } from './index-comparison.ts';

/**
 * A condition by a truncated index in the WHERE of a select. Rows of other values meet it too, so the select reads the column as well, behind
 * its own fields, and the executor drops those rows. Only the statement that was built for it may hold it: `owner` are that one's chunks.
 */
export class TruncatedMatch {
  readonly comparison: IndexComparison;
  /** Where the column stands in the row, counted from its end. */
  readonly fromEnd: number;
  owner: readonly unknown[] | undefined;

  constructor(comparison: IndexComparison, fromEnd: number) {
    this.comparison = comparison;
    this.fromEnd = fromEnd;
  }
}

/** A select that reads what its truncated conditions are to be checked by. */
export interface FilteredSelect {
  readonly config: PgSelectConfig;
  readonly matches: readonly TruncatedMatch[];
}

/**
 * Takes the conditions by truncated indexes that every row has to meet out of a select's WHERE; undefined when there are none. Those that
 * stand anywhere else are left for the compiler to refuse.
 *
 * @throws {EncryptedColumnError} when the select counts, limits, groups, combines or computes, which false matches would falsify
 */
export function filteredSelect(config: PgSelectConfig): FilteredSelect | undefined {
  const found: IndexComparison[] = [];
  const where = config.where && replaced(config.where, found);
  if (found.length === 0) return undefined;
  const fields = withoutHiddenColumns(config.fieldsFlat ?? orderSelectedFields(config.fields));
  if (!mayBeFiltered(config, fields)) throw truncatedUse(found[0]!.column);
  const matches = found.map((comparison, i) => new TruncatedMatch(comparison, found.length - i));
  const read = found.map(({ column }) => ({ path: [column.name], field: column as never }));
  return { matches, config: { ...config, ...(where && { where: where(matches) }), fieldsFlat: [...fields, ...read] } };
}

/** Of an expression, PostgreSQL might have computed over several rows. */
function mayBeFiltered({ limit, offset, distinct, groupBy, having, setOperators }: PgSelectConfig, fields: SelectedFieldsOrdered): boolean {
  const grouped = (groupBy !== undefined && groupBy.length > 0) || having !== undefined;
  const bounded = limit !== undefined || offset !== undefined;
  return !grouped && !bounded && !distinct && setOperators.length === 0 && fields.every(({ field }) => is(field, Column));
}

type Rebuild = (matches: readonly TruncatedMatch[]) => SQL;

/** Walks conjunctions only: `and(…)`, and SQL that stands alone in SQL. */
function replaced(condition: SQL, found: IndexComparison[]): Rebuild {
  const chunks = condition.queryChunks as readonly unknown[];
  const comparison = indexComparison(chunks);
  if (comparison !== undefined) {
    if (!comparison.column.index?.truncated || !['=', 'in'].includes(comparison.operator.trim()) || is(comparison.right, Column))
      return () => condition;
    const at = found.push(comparison) - 1;
    return (matches) => new SQL([matches[at] as never]);
  }
  if (!chunks.every(isConjunct)) return () => condition;
  const parts = chunks.map((chunk): unknown => (is(chunk, SQL) ? replaced(chunk, found) : chunk));
  return (matches) => new SQL(parts.map((part) => (typeof part === 'function' ? (part as Rebuild)(matches) : part)) as never);
}

function isConjunct(chunk: unknown): boolean {
  return is(chunk, SQL) || (is(chunk, StringChunk) && ['', '(', ')', ' and '].includes(chunk.value.join('')));
}

/** Rows in which this column's plaintext is none of these parameters' are no answer. */
export interface RowFilter {
  readonly column: EncryptedColumn;
  readonly fromEnd: number;
  /** The places of the parameters, from 0. */
  readonly params: readonly number[];
}
