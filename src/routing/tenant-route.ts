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

/**
 * Puts a route together; frozen, and the same for as long as the catalog's record is.
 *
 * @param application names the tenant behind it in `application_name`; nothing is named unless told
 */
export function tenantRoute(record: TenantRecord, pool: LanePool, signer: TenantSigner, application?: string): Route {
  const { tenant, placement } = record;
  const applicationName = application === undefined ? undefined : applicationNameOf(application, tenant.id);
  const sign = (backendPid: number, grant?: string): string => signer.sign(tenant.id, backendPid, grant);
  const context = (searchPath: string | undefined, raw: boolean): UnitContext =>
    Object.freeze({
      tenantId: tenant.id,
      sign,
      searchPath,
      raw,
      applicationName,
      priority: tenant.tier.priority,
      maxLanes: tenant.tier.maxLanes,
    });
  return Object.freeze({
    tenant,
    placement,
    pool,
    referenceSchema,
    context: context(undefined, false),
    rawContext: context(searchPathOf(placement.schema, tenant.id), true),
  });
}

const maxApplicationName = 63;

/** PostgreSQL keeps 63 bytes and writes what is not ASCII as `?`: the application's part is cut, so that the tenant's is whole. */
function applicationNameOf(application: string, tenantId: string): string {
  const ascii = application.replace(/[^\x20-\x7e]/g, '?');
  return `${ascii.slice(0, maxApplicationName - 1 - tenantId.length)}/${tenantId}`;
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
