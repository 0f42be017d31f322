import { is, Param, type Placeholder, SQL, StringChunk, sql } from 'drizzle-orm';
import type { PgColumn, PgSelectConfig, PgTable } from 'drizzle-orm/pg-core';
import { NotSupportedError } from '../errors.ts';
import { BlindIndexColumn } from './blind-index-column.ts';
import { StoredValue, TenantValue } from './chunks.ts';
import { withRowCompanions } from './companion-values.ts';
import { ComputedTenantId, GivenTenantId } from './deferred.ts';
import { columnsOf, defaultsOf, rangeNameOf } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { encryptedUse } from './encrypted-use.ts';
import { PlaintextColumn } from './plaintext-column.ts';
import { tenantIdKey } from './table-kind.ts';
import { TenantIdColumn } from './tenant-id-column.ts';

/** A value on its way into a column, from an insert's values or an update's set. */
export function storedValue(column: PgColumn, value: unknown): unknown {
  if (column instanceof TenantIdColumn) {
    if (!is(value, Param)) return new ComputedTenantId();
    return value.value === null ? new GivenTenantId(null) : value;
  }
  if (is(value, Param)) return new StoredValue(value as Param);
  if (column instanceof EncryptedColumn) throw encryptedUse(column, 'be written by SQL: the database has no key');
  return value;
}

/** What a callback of `$defaultFn` or `$onUpdate` answered, as a value for its column. */
export function generatedValue(column: PgColumn, value: unknown): unknown {
  return storedValue(column, is(value, SQL) ? value : new Param(value, column));
}

/** An insert's column list and rows; tenant_id is always written. */
export function insertValues(
  table: PgTable,
  rows: readonly Record<string, Param | SQL | Placeholder>[],
): { readonly columns: string[]; readonly values: SQL } {
  const columns = Object.entries(columnsOf(table)).filter(([, column]) => !defaultsOf(column).shouldDisableInsert());
  const chunks: unknown[] = [new StringChunk('values ')];
  rows.forEach((row, i) => {
    if (i > 0) chunks.push(new StringChunk(', '));
    const values = withRowCompanions(table, row);
    chunks.push(columns.map(([key, column]) => cell(column, values[key])));
  });
  return { columns: columns.map(([, column]) => column.name), values: new SQL(chunks as never) };
}

function cell(column: PgColumn, value: unknown): unknown {
  const given = value !== undefined && !(is(value, Param) && value.value === undefined);
  if (given) return storedValue(column, value);
  if (column instanceof TenantIdColumn) return new TenantValue();
  const { default: databaseDefault, defaultFn, onUpdateFn } = defaultsOf(column);
  if (defaultFn !== undefined) return generatedValue(column, defaultFn());
  if (!databaseDefault && onUpdateFn !== undefined) return generatedValue(column, onUpdateFn());
  return sql`default`;
}

/**
 * The select of an `insert … select` with the executing tenant's id as its last field, in every branch of a set operation, so that
 * positions that the caller counted (`order by 1`) stay.
 *
 * @throws {EncryptedColumnError} when either side has an encrypted column: a ciphertext opens in its own column only
 * @throws {NotSupportedError} when a field names no column
 */
export function insertSelection(table: PgTable, config: PgSelectConfig): { readonly columns: string[]; readonly config: PgSelectConfig } {
  const columns = columnsOf(table);
  const names = Object.entries(config.fields)
    .filter(([key]) => key !== tenantIdKey)
    .map(([key, field]) => {
      const column = columns[key];
      if (column === undefined) {
        throw new NotSupportedError(`insert … select: "${key}" is not a column of ${rangeNameOf(table)}.`, {
          hint: 'Name the selected fields as the table’s columns.',
        });
      }
      for (const side of [column, field]) {
        if (side instanceof EncryptedColumn) throw encryptedUse(side, 'be copied by insert … select');
        if (side instanceof BlindIndexColumn) throw encryptedUse(side.index.definition, 'be copied by insert … select');
        if (side instanceof PlaintextColumn) throw encryptedUse(side.encrypted, 'be copied by insert … select');
      }
      return column.name;
    });
  return { columns: [...names, 'tenant_id'], config: withTenantId(config) };
}

function withTenantId(config: PgSelectConfig): PgSelectConfig {
  const { [tenantIdKey]: given, ...fields } = config.fields;
  const tenantId = given === undefined || given instanceof TenantIdColumn ? new TenantValue(true) : new ComputedTenantId();
  return {
    ...config,
    fields: { ...fields, [tenantIdKey]: new SQL([tenantId as never]) },
    setOperators: config.setOperators.map((operator) => {
      const right = (operator.rightSelect as unknown as { config: PgSelectConfig }).config;
      return { ...operator, rightSelect: { config: withTenantId(right) } as never };
    }),
  };
}
