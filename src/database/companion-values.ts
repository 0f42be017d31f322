import type { SQL } from 'drizzle-orm';
import type { PgTable } from 'drizzle-orm/pg-core';
import { adoptsColumns, withAdoptedValues } from './adopted-values.ts';
import { hasBoundColumns, withBoundRow, withBoundSet } from './bound-values.ts';
import { hasIndexes, withIndexValues } from './index-values.ts';

type Values = Record<string, unknown>;

/** Whether values of a table's encrypted columns bring others with them, or are bound to others. */
export function hasCompanions(table: PgTable): boolean {
  return hasIndexes(table) || adoptsColumns(table) || hasBoundColumns(table);
}

/**
 * A row of an insert with what stands beside its encrypted columns, and their values bound to it. Given values that have it already, it
 * answers those.
 *
 * @throws {EncryptedColumnError} when the caller gives a hidden column itself, or no id to bind a value to
 */
export function withRowCompanions(table: PgTable, row: Values): Values {
  return withBoundRow(table, withAdoptedValues('insert', table, withIndexValues('insert', table, row)));
}

/**
 * The set of an update with what stands beside its encrypted columns, and their values bound to the row that the condition names.
 *
 * @throws {EncryptedColumnError} when the caller gives a hidden column itself, or a value is bound and the row is not named
 */
export function withUpdateCompanions(table: PgTable, set: Values, where: SQL | undefined): Values {
  return withBoundSet(table, withSetCompanions(table, set), where);
}

/** The set of an update or upsert, whose values are bound already, with what stands beside its encrypted columns. */
export function withSetCompanions(table: PgTable, set: Values): Values {
  return withAdoptedValues('update', table, withIndexValues('update', table, set));
}
