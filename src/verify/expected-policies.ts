import { quoteLiteral } from '../sql/identifier.ts';
import type { VerifiedSchema } from './database-check.ts';

/** A policy as `pg_policies` shows it, spaces folded. */
export interface PolicyShape {
  readonly name: string;
  readonly permissive: boolean;
  readonly command: string;
  readonly roles: string;
  readonly predicate: string;
}

const current = '( SELECT tenancy.current_tenant_id() AS current_tenant_id)';
const maintenance = '( SELECT tenancy.in_maintenance() AS in_maintenance)';

/** The policies that `rls-policies/*.sql` make of a table, as PostgreSQL prints them back. */
export function expectedPolicies(schema: VerifiedSchema, ownerRole: string, serverMajor: number): readonly PolicyShape[] {
  const shape = (name: string, permissive: boolean, predicate: string, roles = '{public}'): PolicyShape => ({ name, permissive, command: 'ALL', roles, predicate });
  if (schema.tenantId === undefined) {
    return [
      shape('tenancy_maintenance', true, maintenance, `{${ownerRole}}`),
      shape('tenancy_tenant', true, `(tenant_id = ${current})`),
      shape('tenancy_tenant_restrictive', false, `((tenant_id = ${current}) OR ${maintenance})`),
    ];
  }
  const id = `${quoteLiteral(schema.tenantId)}::text`;
  const predicate = serverMajor >= 18
    ? `((tenant_id = ${id}) AND (( SELECT tenancy.require_tenant(${id}) AS require_tenant) = ${id}))`
    : `((tenant_id = ${id}) AND (tenant_id = ${current}))`;
  return [shape('tenancy_tenant', true, predicate), shape('tenancy_tenant_restrictive', false, predicate)];
}
