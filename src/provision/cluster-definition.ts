import type { Cluster } from '../catalog/cluster.ts';
import { ConfigurationError } from '../errors.ts';
import { addressOf } from './admin-client.ts';
import { platformNames } from './names.ts';

/**
 * A cluster as platform engineers register it. `adminUrl` holds an administrator's password: it stays in the control plane's process.
 * Unless told: `host` and `port` are adminUrl's, `rolePrefix` is `tenancy`, `dedicated` and `pooled` are false, `maxLanes` is 20 and `tls`
 * is `disable`.
 */
export interface ClusterDefinition extends Partial<Omit<Cluster, 'id' | 'region'>> {
  /** Its name, such as `us-1`: tenants are placed by it, and it is never changed. */
  readonly id: string;
  /** Where it stands: residency is decided by it. */
  readonly region: string;
  /** A login that may create roles and databases; reached directly, never through a pooler. */
  readonly adminUrl: string;
}

/**
 * Two clusters of one server need a prefix each: their roles and databases would have the same names, and one's passwords would be set by
 * the other.
 *
 * @throws {ConfigurationError} when two would have the same names, or a prefix can't be used
 */
export function requireOwnNames(clusters: readonly ClusterDefinition[]): void {
  const taken = new Map<string, string>();
  for (const { id, adminUrl, rolePrefix = 'tenancy' } of clusters) {
    platformNames(rolePrefix);
    const { host, port } = addressOf(adminUrl);
    const name = `${host}:${port}/${rolePrefix}`;
    const other = taken.get(name);
    if (other !== undefined) {
      throw new ConfigurationError(`The clusters "${other}" and "${id}" are one server and have the same rolePrefix.`, {
        hint: 'Give each cluster of a server a rolePrefix of its own.',
      });
    }
    taken.set(name, id);
  }
}
