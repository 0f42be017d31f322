import type { TenantDetails } from '../control-plane.ts';
import type { Column } from './table.ts';

/** The columns of a list of tenants. */
export const tenantColumns: readonly Column<TenantDetails>[] = Object.freeze([
  { title: 'ID', value: ({ tenant }) => tenant.id },
  { title: 'NAME', value: ({ tenant }) => tenant.name },
  { title: 'TIER', value: ({ tenant }) => tenant.tier.name },
  { title: 'REGION', value: ({ tenant }) => tenant.region },
  { title: 'STATUS', value: ({ tenant }) => tenant.status },
  { title: 'CLUSTER', value: ({ placement }) => placement?.clusterId },
  { title: 'DATABASE', value: ({ placement }) => placement?.database },
  { title: 'SCHEMA', value: ({ placement }) => placement?.schema },
  { title: 'VERSION', value: ({ placement }) => placement?.schemaVersion },
] satisfies Column<TenantDetails>[]);

/** Everything about one tenant as pairs of name and value. */
export function tenantFacts({ tenant, placement, cluster, createdAt, updatedAt }: TenantDetails): readonly (readonly [string, string])[] {
  const { tier, config } = tenant;
  const settings = (['features', 'integrations', 'branding', 'compliance', 'ai'] as const).flatMap((section) =>
    Object.entries(config[section]).map(
      ([key, value]) => [`${section}.${key}`, Array.isArray(value) ? value.join(', ') : String(value)] as const,
    ),
  );
  return [
    ['id', tenant.id],
    ['name', tenant.name],
    ['status', tenant.status],
    ['tier', `${tier.name} (isolation ${tier.isolation}, keys ${tier.keyPolicy})`],
    ['region', tenant.region],
    ['residency', tenant.dataResidency.join(', ')],
    ['cluster', cluster === undefined ? '-' : `${cluster.id} (${cluster.region}, ${cluster.host}:${cluster.port})`],
    ['database', placement?.database ?? '-'],
    ['schema', placement?.schema ?? '-'],
    ['epoch', String(placement?.epoch ?? '-')],
    ['version', placement?.schemaVersion ?? '-'],
    ['created', createdAt.toISOString()],
    ['updated', updatedAt.toISOString()],
    ...settings,
  ];
}
