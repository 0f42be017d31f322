import { is, SQL, Table } from 'drizzle-orm';
import type { PgSelectConfig } from 'drizzle-orm/pg-core';
import type { ColumnPlace } from '../crypto/column-codec.ts';
import { EncryptedColumnError } from '../errors.ts';
import { NullTest } from './chunks.ts';
import { columnsOf, orderSelectedFields } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { withoutHiddenColumns } from './hidden-column.ts';
import { testedForNull } from './raw-fragment.ts';

const defaultHint = 'Select it as a field of its own and compare in the service; in SQL only isNull and isNotNull work on it.';

/** The error for a use of an encrypted column that can't work on ciphertext. */
export function encryptedUse(of: EncryptedColumn | ColumnPlace, what: string, hint = defaultHint): EncryptedColumnError {
  const { table, column } = of instanceof EncryptedColumn ? of.place() : of;
  return new EncryptedColumnError(`${table}.${column} is encrypted and can't ${what}.`, { hint });
}

/** Whether a column's own bytes are not enough to read it: it is bound to its row, or takes over a plaintext column. */
function readsBeside(column: EncryptedColumn): boolean {
  return column.readSql((name) => name) !== undefined;
}

/**
 * Refuses to read a column through a view which has not what stands beside it.
 *
 * @throws {EncryptedColumnError} when the column's own bytes are not enough to read it
 */
export function refuseThroughView(column: EncryptedColumn): void {
  if (readsBeside(column))
    throw encryptedUse(column, 'be read through a view, where the columns beside it are missing', 'Select it from its table.');
}

/**
 * Refuses a column that needs others beside it among the fields that a caller says a CTE has: raw SQL hands on what is stored, without the
 * row's id, and who stores it could put another's there.
 *
 * @throws {EncryptedColumnError}
 */
export function refuseDeclaredRead(fields: Readonly<Record<string, unknown>> | undefined): void {
  for (const field of Object.values(fields ?? {})) {
    if (field instanceof EncryptedColumn && readsBeside(field))
      throw encryptedUse(field, 'be read from raw SQL, where the columns beside it are missing', 'Build the CTE with db.select().');
  }
}

/**
 * Refuses SQL whose answer is to be decrypted as a column that needs others beside it, for the same reason.
 *
 * @throws {EncryptedColumnError}
 */
export function refuseMappedSql(expression: SQL): void {
  const { decoder } = expression as unknown as { decoder: unknown };
  if (decoder instanceof EncryptedColumn && readsBeside(decoder))
    throw encryptedUse(decoder, 'be mapped from SQL, where the columns beside it are missing', 'Select the column itself.');
}

/**
 * Refuses a union in which something else stands in the place of a column that needs others beside it, for the same reason: the first select
 * says how all rows are decrypted.
 *
 * @throws {EncryptedColumnError}
 */
export function refuseOtherReads(first: PgSelectConfig['fields'], next: PgSelectConfig['fields']): void {
  const others = withoutHiddenColumns(orderSelectedFields(next));
  withoutHiddenColumns(orderSelectedFields(first)).forEach(({ field }, i) => {
    if (!(field instanceof EncryptedColumn) || !readsBeside(field)) return;
    const other: unknown = others[i]?.field;
    if (other instanceof EncryptedColumn && other.home === field.home && other.name === field.name) return;
    throw encryptedUse(
      field,
      'be united with anything else: it is read with columns beside it',
      'Select it from its table in every select of the union.',
    );
  });
}

/**
 * Refuses encrypted columns among fields whose values PostgreSQL is to compare.
 *
 * @throws {EncryptedColumnError}
 */
export function refuseEncryptedFields(fields: unknown, what: string): void {
  if (fields instanceof EncryptedColumn) throw encryptedUse(fields, what);
  if (is(fields, Table)) return refuseEncryptedFields(columnsOf(fields), what);
  if (typeof fields === 'object' && fields !== null && Object.getPrototypeOf(fields) === Object.prototype) {
    for (const field of Object.values(fields)) refuseEncryptedFields(field, what);
  }
}

/**
 * Refuses an expression that mentions an encrypted column directly, or is decrypted as one that needs others beside it. The compiler does so everywhere; this is for selections of a
 * single table, in which drizzle turns columns into bare names first.
 *
 * @throws {EncryptedColumnError}
 */
export function refuseEncryptedExpression(expression: SQL): void {
  refuseMappedSql(expression);
  const chunks = expression.queryChunks as readonly unknown[];
  chunks.forEach((chunk, index) => {
    if (chunk instanceof EncryptedColumn && !testedForNull(chunks, index))
      throw encryptedUse(chunk, 'be used in SQL: the database sees ciphertext only');
  });
}

/** An expression whose null tests of encrypted columns read what those need beside them, where drizzle would put the column's bare name. */
export function withNullTests(expression: SQL): SQL {
  const chunks = expression.queryChunks as readonly unknown[];
  return new SQL(chunks.map((chunk) => (chunk instanceof EncryptedColumn && readsBeside(chunk) ? new NullTest(chunk) : chunk)) as never);
}
