import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core';
import { ConfigurationError } from '../errors.ts';
import { rangeNameOf } from './drizzle-internals.ts';
import { isTenantTable } from './table-kind.ts';

/** The tenant table that all of a key's columns belong to. */
export function owningTable(key: string, columns: readonly AnyPgColumn[]): PgTable {
  const table = columns[0]?.table;
  // A table's kind is set after drizzle made it and before it reads the extras, where the keys are written.
  if (table === undefined || !isTenantTable(table)) {
    throw new ConfigurationError(
      `${key} was given ${table === undefined ? 'no column' : `a column of ${rangeNameOf(table)}, which is not a tenant table`}.`,
      {
        hint: 'Pass columns of a table made with tenantTable; use foreignKey() for a reference table.',
      },
    );
  }
  if (columns.some((column) => rangeNameOf(column.table) !== rangeNameOf(table))) {
    throw new ConfigurationError(`${key} was given columns of several tables.`, { hint: 'Pass columns of one table.' });
  }
  return table;
}
