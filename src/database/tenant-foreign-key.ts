import { type AnyPgColumn, type ForeignKeyBuilder, foreignKey, type PgColumn } from 'drizzle-orm/pg-core';
import { owningTable } from './owning-table.ts';
import { tenantIdOf } from './table-kind.ts';

/** What PostgreSQL does with the referring rows; `set null` and `set default` would also touch tenant_id and are not offered. */
export type TenantForeignKeyAction = 'cascade' | 'restrict' | 'no action';

export interface TenantForeignKeyOptions {
  readonly name?: string;
  readonly columns: readonly [AnyPgColumn, ...AnyPgColumn[]];
  readonly foreignColumns: readonly [AnyPgColumn, ...AnyPgColumn[]];
  readonly onDelete?: TenantForeignKeyAction;
  readonly onUpdate?: TenantForeignKeyAction;
}

/**
 * A foreign key from one tenant table to another; tenant_id leads on both sides, because PostgreSQL checks and cascades past row-level
 * security.
 *
 * @throws {ConfigurationError} when the columns of either side are not a tenant table's
 * @example
 * ```ts
 * tenantForeignKey({ columns: [t.productId], foreignColumns: [products.id], onDelete: 'cascade' })
 * ```
 */
export function tenantForeignKey(options: TenantForeignKeyOptions): ForeignKeyBuilder {
  const own = owningTable('tenantForeignKey', options.columns);
  const foreign = owningTable('tenantForeignKey', options.foreignColumns);
  const builder = foreignKey({
    ...(options.name === undefined ? {} : { name: options.name }),
    columns: [tenantIdOf(own), ...options.columns] as [PgColumn, ...PgColumn[]],
    foreignColumns: [tenantIdOf(foreign), ...options.foreignColumns] as [PgColumn, ...PgColumn[]],
  });
  if (options.onDelete !== undefined) builder.onDelete(options.onDelete);
  if (options.onUpdate !== undefined) builder.onUpdate(options.onUpdate);
  return builder;
}
