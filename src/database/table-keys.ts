import { getTableConfig, type PgColumn } from 'drizzle-orm/pg-core';
import { BlindIndexColumn } from './blind-index-column.ts';
import { isTenantTable, tenantIdOf } from './table-kind.ts';

/** A key of a tenant table, without the tenant_id that it begins with. */
export interface TableKey {
  readonly columns: readonly string[];
  readonly primary: boolean;
}

/** The keys of a schema's tenant tables, by the tables' names; the primary key first. */
export function tableKeys(schema: Readonly<Record<string, unknown>>): ReadonlyMap<string, readonly TableKey[]> {
  const keys = new Map<string, readonly TableKey[]>();
  for (const table of Object.values(schema)) {
    if (!isTenantTable(table)) continue;
    const { name, primaryKeys, uniqueConstraints, indexes } = getTableConfig(table);
    const tenantId = tenantIdOf(table).name;
    const keyOf = (columns: readonly { readonly name: string }[], primary: boolean): TableKey =>
      Object.freeze({ columns: Object.freeze(columns.map((column) => column.name).filter((column) => column !== tenantId)), primary });
    const unique = indexes.flatMap(({ config: { unique: isUnique, where, columns } }) =>
      isUnique && where === undefined && columns.every(isNamed) ? [keyOf(columns as PgColumn[], false)] : [],
    );
    keys.set(
      name,
      [
        ...primaryKeys.map(({ columns }) => keyOf(columns, true)),
        // Tags are the tenant's own: nobody else's row has the same.
        ...uniqueConstraints.filter(({ columns }) => !columns.some(isTags)).map(({ columns }) => keyOf(columns, false)),
        ...unique,
      ].filter(({ columns }) => columns.length > 0),
    );
  }
  return keys;
}

function isTags(column: unknown): boolean {
  return column instanceof BlindIndexColumn;
}

/** An expression's index compares something else than columns. */
function isNamed(column: object): boolean {
  return 'name' in column && typeof column.name === 'string';
}
