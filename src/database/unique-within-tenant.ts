import { type AnyPgColumn, type PgColumn, type UniqueConstraintBuilder, unique } from 'drizzle-orm/pg-core';
import { ConfigurationError } from '../errors.ts';
import { keyColumnOf } from './key-column.ts';
import { owningTable } from './owning-table.ts';
import { tenantIdOf } from './table-kind.ts';

/**
 * A unique constraint of a tenant table: tenant_id, then the given columns, so that two tenants may have the same value and neither
 * learns of the other's. Of an encrypted column its blind index is unique: values that its normaliser makes equal are the same.
 *
 * @param columns of the table that is being declared, without tenant_id
 * @throws {ConfigurationError} when the columns are not a tenant table's; on an encrypted column without a blind index, or with a truncated one
 * @example
 * ```ts
 * tenantTable('products', { sku: text('sku').notNull() }, (t) => [uniqueWithinTenant(t.sku)]);
 * ```
 */
export function uniqueWithinTenant(...columns: [AnyPgColumn, ...AnyPgColumn[]]): UniqueConstraintBuilder {
  const table = owningTable('uniqueWithinTenant', columns);
  return unique().on(
    ...([tenantIdOf(table), ...columns.map((column) => keyColumnOf(table, column, ConfigurationError))] as [PgColumn, ...PgColumn[]]),
  );
}
