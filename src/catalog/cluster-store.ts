import type { CatalogSession } from './catalog-session.ts';
import type { Cluster } from './cluster.ts';
import { clusterOf, clusterRow } from './cluster-row.ts';

/** A cluster that a tenant could be placed on, and how many are there already. */
export interface ClusterCandidate {
  readonly cluster: Cluster;
  readonly placements: number;
}

/** The owner's side of `tenancy.clusters`. */
export class ClusterStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  /** Records a cluster, or what changed of it. @returns whether anything did */
  async upsert(cluster: Cluster): Promise<boolean> {
    const rows = await this.#session.query(
      { doing: `recording the cluster ${cluster.id}` },
      (sql) => sql`
      insert into tenancy.clusters as c (id, region, host, port, role_prefix, dedicated, pooled, max_lanes, tls)
      values (${cluster.id}, ${cluster.region}, ${cluster.host}, ${cluster.port}, ${cluster.rolePrefix}, ${cluster.dedicated}, ${cluster.pooled},
        ${cluster.maxLanes}, ${cluster.tls})
      on conflict (id) do update set region = excluded.region, host = excluded.host, port = excluded.port, role_prefix = excluded.role_prefix,
        dedicated = excluded.dedicated, pooled = excluded.pooled, max_lanes = excluded.max_lanes, tls = excluded.tls
      where (c.region, c.host, c.port, c.role_prefix, c.dedicated, c.pooled, c.max_lanes, c.tls) is distinct from
        (excluded.region, excluded.host, excluded.port, excluded.role_prefix, excluded.dedicated, excluded.pooled, excluded.max_lanes, excluded.tls)
      returning id`,
    );
    return rows.length > 0;
  }

  async find(clusterId: string): Promise<Cluster | undefined> {
    const [row] = await this.#session.query(
      { doing: `reading the cluster ${clusterId}` },
      (sql) => sql`select * from tenancy.clusters where id = ${clusterId}`,
    );
    return row === undefined ? undefined : clusterOf(clusterRow.parse(row));
  }

  /** Every cluster, by id. */
  async list(): Promise<readonly Cluster[]> {
    const rows = await this.#session.query({ doing: 'listing clusters' }, (sql) => sql`select * from tenancy.clusters order by id`);
    return rows.map((row) => clusterOf(clusterRow.parse(row)));
  }

  /** The clusters of a region that take tenants of this kind, the emptiest first. */
  async candidates(region: string, dedicated: boolean): Promise<readonly ClusterCandidate[]> {
    const rows = await this.#session.query(
      { doing: `choosing a cluster in ${region}` },
      (sql) => sql`
      select c.*, (select count(*)::int from tenancy.placements p where p.cluster_id = c.id) as placements
      from tenancy.clusters c where c.region = ${region} and c.dedicated = ${dedicated} order by placements, c.id`,
    );
    return rows.map((row) => ({ cluster: clusterOf(clusterRow.parse(row)), placements: Number(row['placements']) }));
  }
}
