import { is, Param, SQL } from 'drizzle-orm';
import type { IndexColumn, PgColumn, PgTable } from 'drizzle-orm/pg-core';
import { EncryptedColumnError } from '../errors.ts';
import { BoundValue } from './bound-value.ts';
import { columnsOf, rangeNameOf } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { givenOrGenerated } from './generated-value.ts';
import { heldValue } from './held-value.ts';
import { perTable } from './per-table.ts';

type Values = Record<string, unknown>;

interface BoundColumn {
  readonly key: string;
  readonly column: PgColumn;
  readonly idKey: string;
  readonly idColumn: PgColumn;
}

/** The parameters that were made here: they are not bound twice. */
const made = new WeakSet<object>();

const boundColumns = perTable((table): readonly BoundColumn[] =>
  Object.entries(columnsOf(table)).flatMap(([key, column]) => {
    const { boundTo } = column instanceof EncryptedColumn ? (column as EncryptedColumn) : {};
    // Of this very table: the column itself knows its own table's only, whatever alias it is read through.
    const idColumn = boundTo === undefined ? undefined : columnsOf(table)[boundTo];
    return boundTo === undefined || idColumn === undefined ? [] : [{ key, column, idKey: boundTo, idColumn }];
  }),
);

/** Whether a table has columns that are bound to their row. */
export function hasBoundColumns(table: PgTable): boolean {
  return boundColumns(table).length > 0;
}

/**
 * A row of an insert with each bound column's value bound to the row. What `$defaultFn` answers for such a column, or for the id, is asked
 * here, once.
 *
 * @throws {EncryptedColumnError} when the row has such a value and no id, or one that SQL computes
 */
export function withBoundRow(table: PgTable, row: Values): Values {
  let all = row;
  for (const { key, column, idKey, idColumn } of boundColumns(table)) {
    const value = givenOrGenerated('insert', column, all[key]);
    if (value === undefined) continue;
    const id = needsRow(value) ? givenOrGenerated('insert', idColumn, all[idKey]) : all[idKey];
    all = { ...all, [key]: needsRow(value) ? boundTo(value, column, idOf(id, column, idColumn)) : value };
    if (id !== undefined) all[idKey] = id;
  }
  return all;
}

/**
 * The set of an update with each bound column's value bound to the row whose id the condition names.
 *
 * @throws {EncryptedColumnError} when it may reach another row, or sets the id
 */
export function withBoundSet(table: PgTable, set: Values, where: SQL | undefined): Values {
  refuseOtherId(table, set);
  let all = set;
  for (const { key, column, idKey, idColumn } of boundColumns(table)) {
    const value = givenOrGenerated('update', column, set[key]);
    if (value === undefined) continue;
    all = { ...all, [key]: value };
    if (!needsRow(value)) continue;
    const id = where && heldValue(where, idColumn);
    if (id === undefined) {
      const eqId = `eq(${rangeNameOf(table)}.${idKey}, …)`;
      throw refused(column, 'an update of it must name the row', `Write where(${eqId}), alone or inside and(…): one row at a time.`);
    }
    all[key] = boundTo(value, column, id);
  }
  return all;
}

/**
 * The set of an upsert with each bound column's value bound to the inserted row: where the conflict is about its id, the row that is there
 * has the same.
 *
 * @param set as the caller gave it, without parameters
 * @throws {EncryptedColumnError} when several rows are inserted, or the conflict is about another key
 */
export function withBoundUpsert(table: PgTable, rows: readonly Values[] | undefined, target: readonly IndexColumn[], set: Values): Values {
  let all = set;
  for (const { key, column, idKey, idColumn } of boundColumns(table)) {
    const generated = givenOrGenerated('update', column, set[key]);
    const value = is(generated, Param) ? generated.value : generated;
    // SQL is refused where it is written.
    if (value === undefined || value === null || is(value, SQL)) continue;
    if (rows?.length !== 1 || !target.includes(idColumn)) {
      throw refused(
        column,
        'an upsert that sets it inserts one row and has the id for its conflict target',
        `Give one row and target: ${rangeNameOf(table)}.${idKey}, or leave the column out of set.`,
      );
    }
    all = { ...all, [key]: new BoundValue(value, idOf(rows[0]![idKey], column, idColumn)) };
  }
  return all;
}

/** @throws {EncryptedColumnError} when the id that values are bound to is set: they would no longer open */
export function refuseOtherId(table: PgTable, set: Values): void {
  const bound = boundColumns(table).find(({ idKey }) => set[idKey] !== undefined);
  if (bound === undefined) return;
  throw refused(bound.column, `${bound.idColumn.name} can’t be changed`, 'Leave it out of set, or insert the row anew under its other id.');
}

/** A value that a statement stores; NULL opens anywhere, and SQL is refused where it is written. */
function needsRow(value: unknown): value is Param {
  return is(value, Param) && value.value !== null && !made.has(value);
}

function boundTo({ value }: Param, column: PgColumn, rowId: unknown): Param {
  const bound = new Param(new BoundValue(value, rowId), column);
  made.add(bound);
  return bound;
}

function idOf(given: unknown, column: PgColumn, idColumn: PgColumn): unknown {
  if (is(given, Param) && given.value !== undefined && given.value !== null) return given.value;
  throw refused(
    column,
    `the row was given no ${idColumn.name}, or one that SQL computes`,
    'Make the id in the service: $defaultFn(() => randomUUID()), or give it with the row.',
  );
}

function refused(column: PgColumn, why: string, hint: string): EncryptedColumnError {
  return new EncryptedColumnError(`${rangeNameOf(column.table)}.${column.name} is bound to its row: ${why}.`, { hint });
}
