import type { BuildColumns, ColumnsSelection, View } from 'drizzle-orm';
import { type PgColumnBuilderBase, type PgViewWithSelection, pgView, type QueryBuilder } from 'drizzle-orm/pg-core';
import type { TypedQueryBuilder } from 'drizzle-orm/query-builders/query-builder';
import type { AddAliasToSelection } from 'drizzle-orm/query-builders/select.types';
import { ConfigurationError } from '../errors.ts';
import { viewFieldsOf } from './drizzle-internals.ts';
import { EncryptedColumnBuilder } from './encrypted-column.ts';
import { markTable, tenantIdKey } from './table-kind.ts';
import { checkTenantColumns } from './table-rules.ts';
import { TenantIdColumn, TenantIdColumnBuilder } from './tenant-id-column.ts';
import type { TenantColumns } from './tenant-table.ts';

/** What {@link tenantView} without columns answers: the view's query is still to be given. */
export interface TenantViewBuilder<TName extends string> {
  /**
   * Gives the query that the view stands for. Columns keep their types, encrypted ones are decrypted when they are read.
   *
   * @param query a select that has the field `tenantId`, a `tenant_id` column of one of its tables
   * @throws {ConfigurationError} when it has not
   */
  as<TFields extends ColumnsSelection & { tenantId: unknown }>(
    query: TypedQueryBuilder<TFields> | ((builder: QueryBuilder) => TypedQueryBuilder<TFields>),
  ): PgViewWithSelection<TName, false, AddAliasToSelection<TFields, TName, 'pg'>>;
}

/**
 * A view of the tenant's schema, of which every row belongs to one tenant: it has a column `tenant_id`, and queries are scoped by it as
 * by a table's. It is only read. It must be made with `security_invoker` (PostgreSQL 15 and later), so that the policies of its tables
 * hold for whoever reads it: services may not read another, and `control.verify()` reports it.
 *
 * With columns it declares a view that a migration makes. Without, its query is given by `.as(…)`, and drizzle-kit writes its migration,
 * `security_invoker` included.
 *
 * @param name the view's name, without a schema
 * @param columns drizzle's columns; `tenantId` is added
 * @throws {ConfigurationError} on keys and references, on a column named `tenant_id`, and on an encrypted column, which only `.as(…)` can
 *   tell the home of
 * @example
 * ```ts
 * export const stock = tenantView('stock', { sku: text('sku'), pieces: integer('pieces') });
 * export const lamps = tenantView('lamps').as((qb) => qb.select().from(products).where(like(products.sku, 'LAMP-%')));
 * ```
 */
export function tenantView<TName extends string>(name: TName): TenantViewBuilder<TName>;
export function tenantView<TName extends string, TColumns extends Record<string, PgColumnBuilderBase>>(
  name: TName,
  columns: TColumns & { tenantId?: never },
): PgViewWithSelection<TName, true, BuildColumns<TName, TenantColumns<TColumns>, 'pg'>>;
export function tenantView(name: string, columns?: Record<string, PgColumnBuilderBase>): unknown {
  if (columns === undefined) return { as: (query: never) => checked(name, pgView(name).with({ securityInvoker: true }).as(query)) };
  checkTenantColumns(name, columns);
  for (const [key, builder] of Object.entries(columns)) {
    if (builder instanceof EncryptedColumnBuilder) {
      throw new ConfigurationError(`${name}.${key}: a ciphertext opens only as the column that it was written to, which a view is not.`, {
        hint: 'Leave the columns out and give the view’s query: tenantView(name).as((qb) => qb.select({ … }).from(…)).',
      });
    }
  }
  return markTable(pgView(name, { tenantId: new TenantIdColumnBuilder(), ...columns }).existing(), 'tenant');
}

function checked<TView extends View>(name: string, view: TView): TView {
  if (!(viewFieldsOf(view)[tenantIdKey] instanceof TenantIdColumn)) {
    throw new ConfigurationError(`${name}: the view’s query has no field tenantId, so that its rows can’t be told apart by tenant.`, {
      hint: 'Select tenantId of one of its tenant tables, and group by it where it groups.',
    });
  }
  return markTable(view, 'tenant');
}
