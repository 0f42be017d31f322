import type { BuildColumns, BuildExtraConfigColumns } from 'drizzle-orm';
import { type PgColumnBuilderBase, type PgTableExtraConfigValue, type PgTableWithColumns, pgTable } from 'drizzle-orm/pg-core';
import { bindingsOf, checkBindingKeys } from './binding-rules.ts';
import { adoptionChecks, withHiddenBuilders, withTagIndexes } from './table-columns.ts';
import { markTable } from './table-kind.ts';
import { checkExtras, checkTenantColumns } from './table-rules.ts';
import { TenantIdColumnBuilder } from './tenant-id-column.ts';

/** The columns of a {@link TenantTable}: `tenantId` first, then its own. */
export type TenantColumns<TColumns extends Record<string, PgColumnBuilderBase>> = { tenantId: TenantIdColumnBuilder } & TColumns;

/** A table whose rows belong to tenants, typed as drizzle types its own tables. */
export type TenantTable<TName extends string, TColumns extends Record<string, PgColumnBuilderBase>> = PgTableWithColumns<{
  name: TName;
  schema: undefined;
  columns: BuildColumns<TName, TenantColumns<TColumns>, 'pg'>;
  dialect: 'pg';
}>;

/**
 * A table of which every row belongs to one tenant. It gets the column `tenant_id text not null`, which queries never have to
 * mention: it is written with every insert and stands in every where. Its schema is the tenant's and known only when a query runs.
 *
 * @param name the table's name, without a schema
 * @param columns drizzle's columns and the encrypted ones; `tenantId` is added, and a column for each {@link blindIndex}
 * @param extra keys and indexes; they lead with tenant_id, for which {@link tenantKey}, {@link uniqueWithinTenant} and
 *   {@link tenantForeignKey} see
 * @throws {ConfigurationError} on a column-level `.primaryKey()`, `.unique()` or `.references()` and on a column named `tenant_id`;
 *   on a column bound to its row by one that can't be the id; when the extras are read, which is when drizzle-kit or `createTenancy` gets
 *   the schema: on a key that does not lead with tenant_id, and on an id of rows that is not the table's key
 * @example
 * ```ts
 * export const products = tenantTable('products', {
 *   id: uuid('id').defaultRandom().notNull(),
 *   sku: text('sku').notNull(),
 * }, (t) => [tenantKey(t.id), uniqueWithinTenant(t.sku)]);
 * ```
 */
export function tenantTable<TName extends string, TColumns extends Record<string, PgColumnBuilderBase>>(
  name: TName,
  columns: TColumns & { tenantId?: never },
  extra?: (self: BuildExtraConfigColumns<TName, TenantColumns<TColumns>, 'pg'>) => PgTableExtraConfigValue[],
): TenantTable<TName, TColumns> {
  checkTenantColumns(name, columns);
  const bindings = bindingsOf(name, columns);
  const all = { tenantId: new TenantIdColumnBuilder(), ...withHiddenBuilders(name, columns) };
  const checks = adoptionChecks(name, columns);
  const table = pgTable(name, all, (self) => {
    const extras = checkBindingKeys(name, bindings, checkExtras(name, extra?.(self as never) ?? []));
    return [...withTagIndexes(name, self as never, extras), ...checks];
  });
  return markTable(table, 'tenant') as unknown as TenantTable<TName, TColumns>;
}
