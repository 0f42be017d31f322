import { ConfigurationError } from '../errors.ts';
import { schemaNameOf, type TenantId } from '../tenant/tenant-id.ts';

/** The schema in which all tenants of a placement share their tables under `row` isolation. */
export const poolSchema = 'pool';

/** The names that a role prefix gives to a cluster's roles and databases. */
export interface PlatformNames {
  readonly owner: string;
  readonly app: string;
  readonly catalog: string;
  readonly catalogDatabase: string;
  readonly sharedDatabase: string;
}

/**
 * The roles and databases of a prefix.
 *
 * @param prefix `^[a-z][a-z0-9_]{0,7}$`: short, so that every name made from it stays within PostgreSQL's 63 bytes
 * @throws {ConfigurationError} when the prefix breaks that pattern
 */
export function platformNames(prefix: string): PlatformNames {
  if (!/^[a-z][a-z0-9_]{0,7}$/.test(prefix)) {
    throw new ConfigurationError(`The role prefix ${JSON.stringify(prefix)} can't be used.`, {
      hint: 'It starts with a small letter and has at most 8 small letters, digits and underscores.',
    });
  }
  return Object.freeze({
    owner: `${prefix}_owner`,
    app: `${prefix}_app`,
    catalog: `${prefix}_catalog`,
    catalogDatabase: `${prefix}_catalog`,
    sharedDatabase: `${prefix}_shared`,
  });
}

/** The database and the logins of a tenant that has a database of its own. */
export function dedicatedNames(
  prefix: string,
  tenantId: TenantId,
): { readonly database: string; readonly owner: string; readonly app: string } {
  const database = `${prefix}_${schemaNameOf(tenantId)}`;
  return Object.freeze({ database, owner: `${database}_owner`, app: `${database}_app` });
}
