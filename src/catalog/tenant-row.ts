import type { Fragment, Sql } from 'postgres';
import { z } from 'zod';
import { CatalogError, ConfigurationError } from '../errors.ts';
import type { TenantConfig } from '../tenant/tenant-config.ts';
import { parseTenantConfig, residencyOf } from '../tenant/tenant-config.ts';
import type { Tier, Tiers } from '../tenant/tier.ts';
import { clusterOf, clusterRow } from './cluster-row.ts';
import { placementOf, placementRow } from './placement-row.ts';
import type { StoredTenant } from './stored-tenant.ts';

const tenantRow = z.object({
  id: z.string(),
  name: z.string(),
  tier: z.string(),
  region: z.string(),
  data_residency: z.array(z.string()),
  status: z.enum(['provisioning', 'active', 'suspended', 'offboarded']),
  config: z.unknown(),
  created_at: z.date(),
  updated_at: z.date(),
  placement: placementRow.nullable(),
  cluster: clusterRow.nullable(),
  key_locations: z.array(z.object({ provider: z.string(), region: z.string() })),
});

/** Every column that a {@link StoredTenant} needs, in one statement; `where` names the tables `t`, `p` and `c`. */
export function tenantRows(sql: Sql, where: Fragment) {
  return sql`
    select t.id, t.name, t.tier, t.region, to_json(t.data_residency) as data_residency, t.status, t.config, t.created_at, t.updated_at,
      to_json(p) as placement, to_json(c) as cluster,
      coalesce((
        select json_agg(distinct jsonb_build_object('provider', k.provider, 'region', k.region))
        from tenancy.data_keys d join tenancy.keks k on k.id = d.kek_id where d.tenant_id = t.id), '[]') as key_locations
    from tenancy.tenants t
      left join tenancy.placements p on p.tenant_id = t.id
      left join tenancy.clusters c on c.id = p.cluster_id
    ${where}`;
}

/**
 * Turns a row into a tenant; frozen.
 *
 * @throws {ConfigurationError} when its tier is not among this process's tiers
 * @throws {CatalogError} when the row contradicts the configuration that it holds
 */
export function storedTenantOf(row: unknown, tiers: Tiers): StoredTenant {
  const parsed = tenantRow.safeParse(row);
  if (!parsed.success)
    throw unusable(
      idOf(row),
      parsed.error.issues.map((issue) => issue.path.join('.')),
    );
  const data = parsed.data;
  const config = configOf(data.id, data.config);
  const contradictions = contradictionsOf(data, config);
  if (contradictions.length > 0) throw unusable(data.id, contradictions);
  return Object.freeze({
    tenant: Object.freeze({
      id: data.id,
      name: data.name,
      tier: tierOf(data.tier, data.id, tiers),
      region: data.region,
      dataResidency: Object.freeze(data.data_residency),
      status: data.status,
      config,
    }),
    placement: data.placement === null ? undefined : placementOf(data.placement),
    cluster: data.cluster === null ? undefined : clusterOf(data.cluster),
    keyLocations: Object.freeze(data.key_locations.map((location) => Object.freeze(location))),
    createdAt: data.created_at,
    updatedAt: data.updated_at,
  });
}

function tierOf(name: string, tenantId: string, tiers: Tiers): Tier {
  const tier = Object.hasOwn(tiers, name) ? tiers[name] : undefined;
  if (tier === undefined) {
    throw new ConfigurationError(`The tenant ${tenantId} has the tier "${name}", which this process does not know.`, {
      tenantId,
      hint: 'Pass the same tiers option to services and to the control plane.',
    });
  }
  return tier;
}

function configOf(tenantId: string, value: unknown): TenantConfig {
  try {
    return parseTenantConfig(value);
  } catch (cause) {
    throw new CatalogError(`The catalog holds a configuration of the tenant ${tenantId} that this release can't read.`, {
      tenantId,
      cause,
      hint: 'Update this service, or store the configuration again with `tenancy tenant update`.',
    });
  }
}

/** Residency, tier and region are decided by columns, features by the document: a row edited by hand could say two things. */
function contradictionsOf(data: z.output<typeof tenantRow>, config: TenantConfig): string[] {
  const allowed = residencyOf(config);
  const sameResidency = allowed.length === data.data_residency.length && allowed.every((region) => data.data_residency.includes(region));
  return [
    ...(config.id === data.id ? [] : ['id']),
    ...(config.tier === data.tier ? [] : ['tier']),
    ...(config.region === data.region ? [] : ['region']),
    ...(sameResidency ? [] : ['data_residency']),
  ];
}

function unusable(tenantId: string, fields: readonly string[]): CatalogError {
  return new CatalogError(`The catalog's row of the tenant ${tenantId} contradicts itself or can't be read: ${fields.join(', ')}.`, {
    tenantId,
    hint: 'Change tenants with `tenancy tenant update` only.',
  });
}

function idOf(row: unknown): string {
  return typeof row === 'object' && row !== null && 'id' in row && typeof row.id === 'string' ? row.id : '(unknown)';
}
