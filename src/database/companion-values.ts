import type { PgTable } from 'drizzle-orm/pg-core';
import { adoptsColumns, withAdoptedValues } from './adopted-values.ts';
import { hasIndexes, withIndexValues } from './index-values.ts';

type Values = Record<string, unknown>;

/** Whether values of a table's encrypted columns bring others with them. */
export function hasCompanions(table: PgTable): boolean {
  return hasIndexes(table) || adoptsColumns(table);
}

/**
 * A row of an insert, or the set of an update, with what stands beside its encrypted columns. Given values that have it already, it answers
 * those.
 *
 * @throws {EncryptedColumnError} when the caller gives a hidden column itself
 */
export function withCompanionValues(kind: 'insert' | 'update', table: PgTable, values: Values): Values {
  return withAdoptedValues(kind, table, withIndexValues(kind, table, values));
}
