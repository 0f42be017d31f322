import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { TenancyError, TenancyErrorOptions } from '../errors.ts';
import { indexColumnOf } from './blind-index-column.ts';
import { columnsOf } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';

/**
 * The column that stands for a given one in a key: of an encrypted column, the one of its tags.
 *
 * @param given the column, or the stand-in of it that a table's extras get
 * @param Refusal what is thrown when an encrypted column has no index, or a truncated one
 */
export function keyColumnOf(
  table: PgTable,
  given: { readonly name: string },
  Refusal: new (message: string, options: TenancyErrorOptions) => TenancyError,
): PgColumn {
  const column = Object.values(columnsOf(table)).find(({ name }) => name === given.name) ?? (given as PgColumn);
  if (!(column instanceof EncryptedColumn)) return given as PgColumn;
  const { home, index, name } = column as EncryptedColumn;
  const tags = indexColumnOf(table, column);
  if (tags === undefined || index?.truncated === true) {
    const why = tags === undefined ? 'equal values encrypt differently' : 'unequal values may have the same tag';
    throw new Refusal(`${home}.${name} can't be part of a key: ${why}.`, {
      hint: 'Declare it with index: blindIndex(…) without bits, or leave it out of the key.',
    });
  }
  return tags as unknown as PgColumn;
}
