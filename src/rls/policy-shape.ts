import { quoteLiteral } from '../sql/identifier.ts';
import { loudFrom, type PolicyTable } from './policy.ts';

/** A policy as PostgreSQL prints it back while search_path is `pg_catalog`. */
export interface PolicyShape {
  readonly name: string;
  readonly permissive: boolean;
  /** `ALL`, `SELECT`, `INSERT`, `UPDATE` or `DELETE`. */
  readonly command: string;
  /** Role names in order; `public` for everybody. */
  readonly roles: readonly string[];
  readonly using: string | null;
  readonly check: string | null;
}

const current = '( SELECT tenancy.current_tenant_id() AS current_tenant_id)';
const claimed = `( SELECT split_part(current_setting('tenancy.context'::text, true), ':'::text, 3) AS split_part)`;
const maintenance = '( SELECT tenancy.in_maintenance() AS in_maintenance)';

/**
 * What `rls-policies/*.sql` make of a table, as PostgreSQL prints it back. An expression that means the same but is written otherwise is
 * another policy here: nobody needs to judge it.
 */
export function expectedPolicies(
  table: Pick<PolicyTable, 'isolation' | 'tenantId' | 'ownerRole' | 'appRole' | 'serverMajor'>,
): readonly PolicyShape[] {
  const all = (name: string, permissive: boolean, role: string, predicate: string): PolicyShape => ({
    name,
    permissive,
    command: 'ALL',
    roles: [role],
    using: predicate,
    check: predicate,
  });
  if (table.isolation === 'row' || table.tenantId === undefined) {
    const rows = `((tenant_id = ${current}) AND (tenant_id = ${claimed}))`;
    return [
      all('tenancy_maintenance', true, table.ownerRole, maintenance),
      all('tenancy_maintenance_restrictive', false, table.ownerRole, `((tenant_id = ${current}) OR ${maintenance})`),
      all('tenancy_tenant', true, 'public', rows),
      all('tenancy_tenant_restrictive', false, table.appRole, rows),
    ];
  }
  const id = `${quoteLiteral(table.tenantId)}::text`;
  const rows =
    table.serverMajor >= loudFrom
      ? `((tenant_id = ${id}) AND (( SELECT tenancy.require_tenant(${id}) AS require_tenant) = ${id}))`
      : `((tenant_id = ${id}) AND (tenant_id = ${current}))`;
  return [all('tenancy_tenant', true, 'public', rows), all('tenancy_tenant_restrictive', false, 'public', rows)];
}

/** The same for a reference table. */
export function expectedReferencePolicies(roles: { readonly ownerRole: string; readonly appRole: string }): readonly PolicyShape[] {
  return [
    { name: 'tenancy_reference_change', permissive: true, command: 'ALL', roles: [roles.ownerRole], using: 'true', check: 'true' },
    { name: 'tenancy_reference_read', permissive: true, command: 'SELECT', roles: [roles.appRole], using: 'true', check: null },
  ];
}

/** Whether two policies of one name are the same, spaces apart. */
export function samePolicy(a: PolicyShape, b: PolicyShape): boolean {
  return (
    a.name === b.name &&
    a.permissive === b.permissive &&
    a.command === b.command &&
    a.roles.join() === b.roles.join() &&
    folded(a.using) === folded(b.using) &&
    folded(a.check) === folded(b.check)
  );
}

function folded(expression: string | null): string | undefined {
  return expression?.replace(/\s+/g, ' ');
}
