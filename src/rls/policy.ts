import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import { packageRoot } from '../sql/package-root.ts';
import { renderSql } from '../sql/sql-template.ts';
import type { Isolation } from '../tenant/tier.ts';

/** A table that gets policies, and whose it is. */
export interface PolicyTable {
  readonly schema: string;
  readonly table: string;
  readonly isolation: Isolation;
  /** The tenant that the schema belongs to; undefined under `row` isolation. */
  readonly tenantId: string | undefined;
  readonly ownerRole: string;
  readonly serverMajor: number;
}

/** From this major on, the loud form answers alike whether or not a row is there, in every statement shape. */
const loudFrom = 18;

const poolTemplates = ['force', 'tenant-rows', 'tenant-rows-restrictive', 'maintenance', 'tenant-immutable'] as const;
const loudTemplates = ['force', 'own-schema', 'own-schema-restrictive', 'tenant-immutable'] as const;
const quietTemplates = ['force', 'own-schema-quiet', 'own-schema-quiet-restrictive', 'tenant-immutable'] as const;

/**
 * The SQL that puts a tenant table under its policies, from `rls-policies/*.sql`; safe to run again, and meant to run in one transaction,
 * so that there is no moment without a policy.
 *
 * @throws {ConfigurationError} when a schema of one tenant comes without the tenant
 */
export function tenantTablePolicies(table: PolicyTable): readonly string[] {
  if (table.isolation === 'row') return render(poolTemplates, { schema: table.schema, table: table.table, owner: table.ownerRole });
  if (table.tenantId === undefined) throw new ConfigurationError(`The schema "${table.schema}" belongs to one tenant, but which was not said.`);
  const templates = table.serverMajor >= loudFrom ? loudTemplates : quietTemplates;
  return render(templates, { schema: table.schema, table: table.table, tenant: table.tenantId });
}

/** The same for a reference table. */
export function referenceTablePolicies(table: { readonly schema: string; readonly table: string; readonly ownerRole: string }): readonly string[] {
  return render(['reference-rows'], { schema: table.schema, table: table.table, owner: table.ownerRole });
}

const templates = new Map<string, string>();

function render(names: readonly string[], values: Readonly<Record<string, string>>): readonly string[] {
  return names.map((name) => {
    const text = templates.get(name) ?? readFileSync(join(packageRoot(), 'rls-policies', `${name}.sql`), 'utf8');
    templates.set(name, text);
    const wanted = new Set([...text.matchAll(/\{\{'?([a-z]+)'?\}\}/g)].map((match) => match[1] ?? ''));
    const used = Object.fromEntries(Object.entries(values).filter(([key]) => wanted.has(key)));
    return renderSql(text, used, `rls-policies/${name}.sql`);
  });
}
