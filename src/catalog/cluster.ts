/** A PostgreSQL server in one region, as the catalog knows it. Holds no secret. */
export interface Cluster {
  /** Its name in the configuration and the catalog, such as `us-1`. */
  readonly id: string;
  /** Where it stands: residency is decided by it. */
  readonly region: string;
  /** The host that services connect to (a pooler's, where there is one). */
  readonly host: string;
  /** TCP port that services connect to (a pooler's, where there is one). */
  readonly port: number;
  /** Names the roles `<prefix>_owner`, `<prefix>_app` and the databases `<prefix>_shared`, `<prefix>_<schema>`; at most 8 characters. */
  readonly rolePrefix: string;
  /** Whether only tenants of tiers with `dedicatedCluster` are placed here. */
  readonly dedicated: boolean;
  /** Whether `host:port` is a pooler in transaction mode, so that a lane has no backend of its own. */
  readonly pooled: boolean;
  /** How many lanes one process may open to this cluster, over all its databases. */
  readonly maxLanes: number;
  /** How services connect: no TLS, or TLS with the server's certificate verified. */
  readonly tls: 'disable' | 'verify-full';
}
