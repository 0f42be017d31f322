import type { TenantRecord } from '../catalog/tenant-record.ts';
import type { UnitContext } from '../connection/lane.ts';
import type { LanePool } from '../connection/lane-pool.ts';
import { CatalogError } from '../errors.ts';
import type { Route } from './route.ts';

/** Signs a tenant's context for one backend; with the audit id of the grant where work crosses tenants. */
export interface TenantSigner {
  sign(tenantId: string, backendPid: number, grant?: string): string;
}

/** The schemas that every tenant database has beside the tenants' own. */
const referenceSchema = 'reference';
const extensionsSchema = 'extensions';

/** Puts a route together; frozen, and the same for as long as the catalog's record is. */
export function tenantRoute(record: TenantRecord, pool: LanePool, signer: TenantSigner): Route {
  const { tenant, placement } = record;
  const sign = (backendPid: number, grant?: string): string => signer.sign(tenant.id, backendPid, grant);
  const context = (searchPath: string | undefined, raw: boolean): UnitContext =>
    Object.freeze({ tenantId: tenant.id, sign, searchPath, raw, priority: tenant.tier.priority, maxLanes: tenant.tier.maxLanes });
  return Object.freeze({
    tenant,
    placement,
    pool,
    referenceSchema,
    context: context(undefined, false),
    rawContext: context(searchPathOf(placement.schema, tenant.id), true),
  });
}

/** `pg_temp` stands last, or a temporary table would take the place of the tenant's. */
function searchPathOf(schema: string, tenantId: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new CatalogError(`The placement of the tenant ${tenantId} names a schema that can't be one of ours.`, {
      tenantId,
      hint: 'Run `tenancy verify`.',
    });
  }
  return `"${schema}", "${referenceSchema}", "${extensionsSchema}", pg_temp`;
}
