import { sql as drizzleSql, is, isSQLWrapper, Name, Param, Placeholder, SQL } from 'drizzle-orm';
import { NotSupportedError } from '../errors.ts';
import { RawQuery, type RawRunner } from './raw-query.ts';

/** `tenancy.sql`: raw SQL in the current scope. */
export interface RawSql {
  /**
   * Makes a statement of which every `${value}` is a parameter. It runs when awaited, as the tenant in whose scope it was made, under
   * that tenant's search_path; row-level security holds for it as for every other statement. Other raw queries, drizzle's `sql`, tables and
   * columns may be put in as fragments.
   *
   * @typeParam T one row; what PostgreSQL answers is not checked against it. Types that JavaScript lacks, such as `bigint`, come as text
   * @throws {NotSupportedError} at once, when a value is undefined or it is called with a string
   * @throws {NoTenantError} {@link WrongTenantError} {@link PolicyViolationError} {@link QueryFailedError}, when awaited
   * @example
   * ```ts
   * const [row] = await tenancy.sql<{ n: string }>`select count(*) as n from products where sku = any(${skus})`;
   * console.log(row?.n);
   * ```
   */
  <T = Record<string, unknown>>(strings: TemplateStringsArray, ...values: readonly unknown[]): RawQuery<T>;
  /**
   * A quoted name, for a table or column that is chosen at run time.
   *
   * @example
   * ```ts
   * const rows = await tenancy.sql`select * from products order by ${tenancy.sql.identifier('sku')}`;
   * ```
   */
  identifier(name: string): Name;
}

/** @param session the session of whichever scope is current */
export function createRawSql(session: () => RawRunner): RawSql {
  const tag = <T>(strings: TemplateStringsArray, ...values: readonly unknown[]): RawQuery<T> => {
    if (!Array.isArray(strings) || !Object.hasOwn(strings, 'raw')) {
      throw new NotSupportedError('tenancy.sql was called with a string.', {
        hint: 'Write it as a template: tenancy.sql`select … where id = ${id}`.',
      });
    }
    return new RawQuery<T>(drizzleSql(strings, ...values.map(fragment)), session());
  };
  return Object.assign(tag, { identifier: (name: string) => new Name(name) });
}

/** What is neither SQL nor a part of it is one value: an array too, so that `= any(${ids})` works. */
function fragment(value: unknown): unknown {
  if (value === undefined) throw new NotSupportedError('A value in tenancy.sql is undefined.', { hint: 'Write null where NULL is meant.' });
  if (is(value, SQL) || is(value, Name) || is(value, Param) || is(value, Placeholder) || isSQLWrapper(value)) return value;
  return new Param(value);
}
