import type { Cluster } from '../catalog/cluster.ts';
import type { ClusterStore } from '../catalog/cluster-store.ts';
import { addressOf } from './admin-client.ts';
import type { ClusterDefinition } from './cluster-definition.ts';
import { type InstallDatabaseParts, installDatabase } from './install-database.ts';
import { platformNames } from './names.ts';

/**
 * Records a cluster and makes its shared database, which tenants of `schema` and `row` isolation live in; idempotent. A dedicated
 * cluster gets none: its tenants bring their own.
 *
 * @returns whether anything was made or changed
 */
export async function installCluster(
  definition: ClusterDefinition,
  parts: InstallDatabaseParts & { readonly clusters: ClusterStore },
): Promise<boolean> {
  const cluster = clusterOf(definition);
  const changed = await parts.clusters.upsert(cluster);
  if (cluster.dedicated) return changed;
  const names = platformNames(cluster.rolePrefix);
  const { created, applied } = await installDatabase(
    definition.adminUrl,
    cluster.id,
    { database: names.sharedDatabase, owner: names.owner, app: names.app },
    parts,
  );
  return changed || created || applied.length > 0;
}

function clusterOf(definition: ClusterDefinition): Cluster {
  const { host, port } = addressOf(definition.adminUrl);
  return Object.freeze({
    id: definition.id,
    region: definition.region,
    host: definition.host ?? host,
    port: definition.port ?? port,
    rolePrefix: definition.rolePrefix ?? 'tenancy',
    dedicated: definition.dedicated ?? false,
    pooled: definition.pooled ?? false,
    maxLanes: definition.maxLanes ?? 20,
    tls: definition.tls ?? 'disable',
  });
}
