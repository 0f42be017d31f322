import { getTableColumns, type Table } from 'drizzle-orm';
import type { AnyPgColumn } from 'drizzle-orm/pg-core';

/** A table's column tenant_id, for those who write the predicate by hand. */
export function tenantColumnOf(table: Table): AnyPgColumn {
  const column = getTableColumns(table)['tenantId'];
  if (column === undefined) throw new TypeError('the table has no column tenantId');
  return column as AnyPgColumn;
}
