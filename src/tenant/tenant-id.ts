import { InvalidTenantIdError } from '../errors.ts';

/** A tenant's id: `^[a-z][a-z0-9-]{0,47}$`, never used again; 48 characters, so that role names made from it fit PostgreSQL's 63 bytes. */
export type TenantId = string;

const pattern = /^[a-z][a-z0-9-]{0,47}$/;

/** Schema names that PostgreSQL, the catalog or the platform use; a tenant id may not map to one of them. */
const reserved: ReadonlySet<string> = new Set([
  'public',
  'information_schema',
  'pg_catalog',
  'pg_toast',
  'pg_temp',
  'tenancy',
  'reference',
  'extensions',
  'postgres',
  'template0',
  'template1',
  'catalog',
  'shared',
  'pool',
  'platform',
  'none',
  'all',
  'default',
  'user',
  'current_user',
  'session_user',
]);

/**
 * Checks a tenant id before it is used anywhere.
 *
 * @param value what a request, file or caller gave as the id
 * @throws {InvalidTenantIdError} when it breaks the pattern or its schema name is reserved
 * @example
 * ```ts
 * const id = parseTenantId(request.headers['x-tenant-id']);
 * ```
 */
export function parseTenantId(value: unknown): TenantId {
  if (typeof value !== 'string' || !pattern.test(value)) {
    throw new InvalidTenantIdError(`${describe(value)} is not a tenant id.`, {
      hint: 'An id starts with a small letter and has at most 48 small letters, digits and hyphens.',
    });
  }
  const schema = schemaNameOf(value);
  if (reserved.has(schema) || schema.startsWith('pg_')) {
    throw new InvalidTenantIdError(`The tenant id "${value}" is reserved.`, {
      hint: 'Choose an id whose schema name PostgreSQL and the catalog do not use.',
    });
  }
  return value;
}

/**
 * The schema of a tenant that has one of its own: the id with `_` for `-`. Different ids have different ones, since an id holds no `_`.
 *
 * @example
 * ```ts
 * schemaNameOf('tenant-100'); // tenant_100
 * ```
 */
export function schemaNameOf(id: TenantId): string {
  return id.replaceAll('-', '_');
}

function describe(value: unknown): string {
  if (typeof value !== 'string') return `A ${value === null ? 'null' : typeof value}`;
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}
