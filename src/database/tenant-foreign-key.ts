import { type AnyPgColumn, type ForeignKeyBuilder, foreignKey, type PgColumn } from 'drizzle-orm/pg-core';
import { owningTable } from './owning-table.ts';
import { tenantIdOf } from './table-kind.ts';

/** What PostgreSQL does with the referring rows; `set null` and `set default` would also touch tenant_id and are not offered. */
export type TenantForeignKeyAction = 'cascade' | 'restrict' | 'no action';

/** What {@link tenantForeignKey} takes: drizzle's `foreignKey`, less tenant_id, which is put in front of both sides. */
export interface TenantForeignKeyOptions {
  /** The constraint's name; drizzle makes one up unless told. */
  readonly name?: string | undefined;
  /** The referring columns, all of the table that is being declared. */
  readonly columns: readonly [AnyPgColumn, ...AnyPgColumn[]];
  /** The columns referred to, all of one tenant table, which has a key of exactly them. */
  readonly foreignColumns: readonly [AnyPgColumn, ...AnyPgColumn[]];
  /** `no action` unless told, as PostgreSQL does. */
  readonly onDelete?: TenantForeignKeyAction | undefined;
  /** `no action` unless told, as PostgreSQL does. */
  readonly onUpdate?: TenantForeignKeyAction | undefined;
}

/**
 * A foreign key from one tenant table to another; tenant_id leads on both sides, because PostgreSQL checks and cascades past row-level
 * security.
 *
 * @throws {ConfigurationError} when the columns of either side are not a tenant table's
 * @example
 * ```ts
 * export const orders = tenantTable('orders', { id: uuid('id').notNull(), productId: uuid('product_id').notNull() }, (t) => [
 *   tenantKey(t.id),
 *   tenantForeignKey({ columns: [t.productId], foreignColumns: [products.id], onDelete: 'cascade' }),
 * ]);
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
