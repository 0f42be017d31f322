import { type AnyPgColumn, type PgColumn, type UniqueConstraintBuilder, unique } from 'drizzle-orm/pg-core';
import { owningTable } from './owning-table.ts';
import { tenantIdOf } from './table-kind.ts';

/**
 * A unique constraint of a tenant table: tenant_id, then the given columns, so that two tenants may have the same value and neither
 * learns of the other's.
 *
 * @param columns of the table that is being declared, without tenant_id
 * @throws {ConfigurationError} when the columns are not a tenant table's
 * @example
 * ```ts
 * tenantTable('products', { sku: text('sku').notNull() }, (t) => [uniqueWithinTenant(t.sku)]);
 * ```
 */
export function uniqueWithinTenant(...columns: [AnyPgColumn, ...AnyPgColumn[]]): UniqueConstraintBuilder {
  const table = owningTable('uniqueWithinTenant', columns);
  return unique().on(...([tenantIdOf(table), ...columns] as [PgColumn, ...PgColumn[]]));
}
