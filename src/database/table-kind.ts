import { is, View } from 'drizzle-orm';
import { type PgColumn, PgTable } from 'drizzle-orm/pg-core';
import { columnsOf, type Relation, rangeNameOf, viewFieldsOf } from './drizzle-internals.ts';
import { unscoped } from './unscoped.ts';

/** How a table or view takes part in tenancy: every row is one tenant's, or every tenant reads the same rows. */
export type TableKind = 'tenant' | 'reference';

// A property and not a WeakMap: drizzle's aliases are proxies, which pass properties through and identity not.
const kind = Symbol('tenancy table kind');

export function markTable<T extends Relation>(table: T, as: TableKind): T {
  return Object.defineProperty(table, kind, { value: as });
}

/** The kind of a table or view, or of an alias of it; undefined for those that the library knows nothing of. */
export function tableKindOf(table: Relation): TableKind | undefined {
  return (table as unknown as Record<symbol, TableKind | undefined>)[kind];
}

export function isTenantTable(value: unknown): value is PgTable {
  return is(value, PgTable) && tableKindOf(value) === 'tenant';
}

/** The key of the tenant id among a tenant table's columns. */
export const tenantIdKey = 'tenantId';

/** The tenant_id column of a tenant table or view. */
export function tenantIdOf(table: Relation): PgColumn {
  const column = is(table, View) ? (viewFieldsOf(table)[tenantIdKey] as PgColumn | undefined) : columnsOf(table)[tenantIdKey];
  if (column === undefined)
    throw unscoped(
      `The table ${rangeNameOf(table)}`,
      'Declare it with tenantTable; the rows of reference tables change by migrations only.',
    );
  return column;
}
