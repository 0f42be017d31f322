import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import { packageRoot } from '../sql/package-root.ts';
import { renderSql, type SqlValues } from '../sql/sql-template.ts';
import type { Isolation } from '../tenant/tier.ts';

/** A table that gets policies, and whose it is. */
export interface PolicyTable {
  readonly schema: string;
  readonly table: string;
  readonly isolation: Isolation;
  /** The tenant that the schema belongs to; undefined under `row` isolation. */
  readonly tenantId?: string | undefined;
  readonly ownerRole: string;
  readonly appRole: string;
  readonly serverMajor: number;
  /** Whether the table is a partition whose parent is in the same schema: it has the parent's trigger already. */
  readonly partition?: boolean | undefined;
}

/** From this major on, the loud form answers alike whether or not a row is there, in every statement shape. */
export const loudFrom = 18;

/**
 * The SQL that puts a tenant table under its policies, from `rls-policies/*.sql`. Safe to run again, and meant to run in one
 * transaction: there is then no moment without a policy.
 *
 * @throws {ConfigurationError} when a schema of one tenant comes without the tenant, or a shared one with it
 * @example
 * ```ts
 * policiesFor({ schema: 'acme', table: 'products', isolation: 'schema', tenantId: 'acme', ownerRole, appRole, serverMajor: 18 });
 * ```
 */
export function policiesFor(table: PolicyTable): readonly string[] {
  const place = { schema: table.schema, table: table.table };
  const trigger = table.partition === true ? [] : [render('tenant-immutable', place)];
  if (table.isolation === 'row') {
    if (table.tenantId !== undefined)
      throw new ConfigurationError(`The schema "${table.schema}" is shared: it belongs to no tenant.`, { tenantId: table.tenantId });
    return [
      render('force', place),
      render('tenant-rows', place),
      render('tenant-rows-restrictive', { ...place, app: table.appRole }),
      render('maintenance', { ...place, owner: table.ownerRole }),
      render('maintenance-restrictive', { ...place, owner: table.ownerRole }),
      ...trigger,
    ];
  }
  if (table.tenantId === undefined)
    throw new ConfigurationError(`The schema "${table.schema}" belongs to one tenant, but which was not said.`);
  const owned = { ...place, tenant: table.tenantId };
  const form = table.serverMajor >= loudFrom ? 'tenant-schema' : 'tenant-schema-quiet';
  return [render('force', place), render(form, owned), render(`${form}-restrictive`, owned), ...trigger];
}

/** The same for a reference table: services read it, the owner's migrations change it. */
export function referencePoliciesFor(table: {
  readonly schema: string;
  readonly table: string;
  readonly ownerRole: string;
  readonly appRole: string;
}): readonly string[] {
  return [render('reference-rows', { schema: table.schema, table: table.table, owner: table.ownerRole, app: table.appRole })];
}

/** The SQL, for a superuser, that closes tables from the moment in which they are made. */
export function newTableGuard(roles: { readonly ownerRole: string; readonly appRole: string }): string {
  return render('new-tables', { owner: roles.ownerRole, app: roles.appRole });
}

const templates = new Map<string, string>();

function render(name: string, values: SqlValues): string {
  let text = templates.get(name);
  if (text === undefined) {
    text = readFileSync(join(packageRoot(), 'rls-policies', `${name}.sql`), 'utf8');
    templates.set(name, text);
  }
  return renderSql(text, values, `rls-policies/${name}.sql`);
}
