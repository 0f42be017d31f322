import type { ClusterStore } from '../catalog/cluster-store.ts';
import type { NewPlacement } from '../catalog/placement-store.ts';
import { ProvisioningError, ResidencyError } from '../errors.ts';
import { dedicatedNames, platformNames, poolSchema } from '../provision/names.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { schemaNameOf } from '../tenant/tenant-id.ts';

/**
 * Where a new tenant goes: the emptiest cluster of its region that takes its tier, or the one that is asked for.
 *
 * @throws {ProvisioningError} when no cluster of the region takes it
 * @throws {ResidencyError} when the cluster that is asked for stands in a region that the tenant does not allow
 */
export async function choosePlacement(
  clusters: ClusterStore,
  tenant: Pick<Tenant, 'id' | 'tier' | 'region' | 'dataResidency'>,
  clusterId: string | undefined,
): Promise<NewPlacement> {
  const { id, tier } = tenant;
  const candidates = (await clusters.candidates(tenant.region, tier.dedicatedCluster)).map(({ cluster }) => cluster);
  const cluster = clusterId === undefined ? candidates[0] : await clusters.find(clusterId);
  if (cluster === undefined) {
    const kind = tier.dedicatedCluster ? 'dedicated cluster' : 'cluster';
    throw new ProvisioningError(
      clusterId === undefined
        ? `There is no ${kind} in ${tenant.region} for tenant "${id}" of tier ${tier.name}.`
        : `There is no cluster "${clusterId}" for tenant "${id}".`,
      {
        step: 'record',
        tenantId: id,
        hint: 'Add one to the configuration and run `tenancy init`.',
      },
    );
  }
  if (!tenant.dataResidency.includes(cluster.region)) {
    throw new ResidencyError(`Tenant "${id}" does not allow ${cluster.region}, where the cluster "${cluster.id}" stands.`, {
      tenantId: id,
      region: cluster.region,
      allowedRegions: tenant.dataResidency,
      hint: 'Choose a cluster in an allowed region.',
    });
  }
  if (tier.dedicatedCluster !== cluster.dedicated) {
    throw new ProvisioningError(`The cluster "${cluster.id}" does not take tenants of tier ${tier.name}.`, {
      step: 'record',
      tenantId: id,
      hint: cluster.dedicated ? 'It is reserved for dedicated tenants.' : 'The tier needs a cluster that is marked dedicated.',
    });
  }
  const base = { tenantId: id, clusterId: cluster.id, isolation: tier.isolation, schemaVersion: '' } as const;
  if (tier.isolation === 'database')
    return { ...base, database: dedicatedNames(cluster.rolePrefix, id).database, schema: schemaNameOf(id) };
  const database = platformNames(cluster.rolePrefix).sharedDatabase;
  return { ...base, database, schema: tier.isolation === 'row' ? poolSchema : schemaNameOf(id) };
}
