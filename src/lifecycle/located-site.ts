import type { Sql } from 'postgres';
import { adoptedCheck } from '../database/adoption-checks.ts';
import { CatalogError } from '../errors.ts';
import type { ColumnSite } from './column-site.ts';
import { bytesColumns } from './encrypted-column-rows.ts';
import type { RowKey } from './row-key.ts';

/** A column where one tenant's schema has it. */
export interface LocatedSite extends ColumnSite {
  readonly schema: string;
  readonly key: RowKey;
  /** The check that keeps its plaintext column empty: whether it is there, and holds for rows from before it too. */
  readonly contracted: 'no' | 'unvalidated' | 'yes';
}

/**
 * Finds columns in a tenant's schema.
 *
 * @throws {CatalogError} when the schema lacks a table or a column of theirs, or the table has no primary key
 */
export async function locateSites(sql: Sql, schema: string, sites: readonly ColumnSite[]): Promise<readonly LocatedSite[]> {
  const bytes = await bytesColumns(sql, schema);
  const found = await sql<{ table: string; name: string; validated: boolean | null }[]>`
    select c.relname::text as table, a.attname::text as name, null::boolean as validated
      from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
      where c.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = ${schema}) and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
    union all
    select c.relname::text, k.conname::text, k.convalidated from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid
      where c.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = ${schema}) and k.contype = 'c'`;
  return sites.map((site) => {
    const { table, column, tags } = site;
    const own = found.filter((one) => one.table === table);
    const home = bytes.find((one) => one.table === table && one.column === column.name);
    const from = column.adoption?.column;
    const missing = [from, tags].find((name) => name !== undefined && !own.some((one) => one.validated === null && one.name === name));
    if (home === undefined || missing !== undefined) {
      throw new CatalogError(
        `The schema ${schema} has no column ${table}.${missing ?? column.name} as the declaration of ${site.label} asks for.`,
        {
          hint: 'Run `tenancy migrate up`, or give the schema that belongs to the migrations that were run.',
        },
      );
    }
    const check = from === undefined ? undefined : own.find((one) => one.validated !== null && one.name === adoptedCheck(table, from));
    return Object.freeze({
      ...site,
      schema,
      key: home.key,
      contracted: check === undefined ? 'no' : check.validated === true ? 'yes' : 'unvalidated',
    });
  });
}
