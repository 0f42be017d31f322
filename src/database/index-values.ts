import { is, Param } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import { EncryptedColumnError } from '../errors.ts';
import { type BlindIndexColumn, indexColumnOf } from './blind-index-column.ts';
import { unboundValue } from './bound-value.ts';
import { columnsOf } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { givenOrGenerated } from './generated-value.ts';
import { perTable } from './per-table.ts';

type Values = Record<string, unknown>;

interface IndexedColumn {
  readonly key: string;
  readonly column: PgColumn;
  readonly indexKey: string;
  readonly indexColumn: BlindIndexColumn;
}

/** The parameters that were made here: an index column takes no others. */
const made = new WeakSet<object>();

const indexedColumns = perTable((table): readonly IndexedColumn[] => {
  const entries = Object.entries(columnsOf(table));
  return entries.flatMap(([key, column]) => {
    const indexColumn = column instanceof EncryptedColumn ? indexColumnOf(table, column) : undefined;
    const indexKey = entries.find(([, other]) => (other as unknown) === indexColumn)?.[0];
    return indexColumn === undefined || indexKey === undefined ? [] : [{ key, column, indexKey, indexColumn }];
  });
});

/** Whether a table has blind indexes. */
export function hasIndexes(table: PgTable): boolean {
  return indexedColumns(table).length > 0;
}

/**
 * A row of an insert, or the set of an update, with the value of each blind index beside its column's. What `$defaultFn` and `$onUpdate`
 * answer for such a column is asked here, once for both. Given values that have them already, it answers those.
 *
 * @throws {EncryptedColumnError} when the caller gives the index column itself
 */
export function withIndexValues(kind: 'insert' | 'update', table: PgTable, values: Values): Values {
  let all = values;
  for (const { key, column, indexKey, indexColumn } of indexedColumns(table)) {
    const existing = values[indexKey];
    if (typeof existing === 'object' && existing !== null && made.has(existing)) continue;
    if (existing !== undefined) {
      throw new EncryptedColumnError(`${indexColumn.name} holds the tags of ${column.name} and is written by the library only.`, {
        hint: `Write ${column.name}.`,
      });
    }
    const value = givenOrGenerated(kind, column, values[key]);
    if (value === undefined) continue;
    if (all === values) all = { ...values };
    all[key] = value;
    // Anything else is refused when the encrypted column itself is written.
    if (!is(value, Param)) continue;
    const tag = new Param(unboundValue(value.value), indexColumn);
    made.add(tag);
    all[indexKey] = tag;
  }
  return all;
}
