import { type AnyPgColumn, type PgColumn, type PrimaryKeyBuilder, primaryKey } from 'drizzle-orm/pg-core';
import { owningTable } from './owning-table.ts';
import { tenantIdOf } from './table-kind.ts';

/**
 * The primary key of a tenant table: tenant_id, then the given columns.
 *
 * @param columns of the table that is being declared, without tenant_id
 * @throws {ConfigurationError} when the columns are not a tenant table's
 * @example
 * ```ts
 * tenantTable('products', { id: uuid('id').notNull() }, (t) => [tenantKey(t.id)]);
 * ```
 */
export function tenantKey(...columns: [AnyPgColumn, ...AnyPgColumn[]]): PrimaryKeyBuilder {
  const table = owningTable('tenantKey', columns);
  return primaryKey({ columns: [tenantIdOf(table), ...columns] as [PgColumn, ...PgColumn[]] });
}
