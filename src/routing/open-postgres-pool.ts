import { ClusterCap } from '../connection/cluster-cap.ts';
import { type PlanCacheMode, requirePlanCacheMode } from '../connection/plan-cache-mode.ts';
import { type LaneWire, openPostgresLane } from '../connection/postgres-lane.ts';
import { PostgresLanePool } from '../connection/postgres-lane-pool.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { OpenPool } from './pool-request.ts';

/** Limits of the connections to tenant databases (docs/concepts.md, "Words": lane). Each must be at least 1. */
export interface LaneOptions {
  /**
   * Lanes of this process to one database; 10 unless told. `Cluster.maxLanes` holds over all databases of a cluster, `Tier.maxLanes` for
   * one tenant.
   */
  readonly maxPerDatabase?: number | undefined;
  /** How long a query waits for a lane before {@link LanesExhaustedError}, in milliseconds; 5,000 unless told. */
  readonly acquireTimeoutMs?: number | undefined;
  /** After how long without work a lane is closed, in milliseconds; 30,000 unless told. */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Whether `application_name` names the tenant, `<application>/<tenant>`, for as long as its transaction lasts; false unless told. Every
   * session of the same login can read it in `pg_stat_activity`, raw SQL of another tenant included (docs/observability.md).
   */
  readonly tenantInApplicationName?: boolean | undefined;
  /**
   * Who speaks PostgreSQL's protocol once a lane is connected and logged in: the lane itself (`own`, unless told), which costs a fraction
   * of the processor time, or postgres.js (`driver`), for servers that only resemble PostgreSQL. Clusters marked as pooled always use the
   * driver, and nothing is kept prepared there.
   */
  readonly wire?: LaneWire | undefined;
  /**
   * How PostgreSQL plans prepared statements; the server's own setting, `auto`, unless told. `force_generic_plan` plans each statement once on
   * each lane instead of six times, and never again where the estimates would have it (docs/performance.md): good where tenants and values
   * are alike, bad where one value has most of the rows. No effect behind a pooler.
   */
  readonly planCacheMode?: PlanCacheMode | undefined;
}

/**
 * Opens pools of lanes; all of them share one cap per cluster.
 *
 * @throws {ConfigurationError} for a mode of planning that PostgreSQL does not have
 */
export function openPostgresPool(
  options: LaneOptions & { readonly applicationName: string; readonly telemetry?: Telemetry | undefined },
): OpenPool {
  requirePlanCacheMode(options.planCacheMode);
  const cap = new ClusterCap();
  return ({ cluster, database, credentials }) =>
    new PostgresLanePool({
      cap,
      clusterId: cluster.id,
      clusterMaxLanes: cluster.maxLanes,
      database,
      maxLanes: options.maxPerDatabase,
      acquireTimeoutMs: options.acquireTimeoutMs,
      idleTimeoutMs: options.idleTimeoutMs,
      observer: options.telemetry?.pool(cluster.id, database),
      open: async (signal) =>
        await openPostgresLane({
          host: cluster.host,
          port: cluster.port,
          tls: cluster.tls,
          pooled: cluster.pooled,
          database,
          credentials,
          applicationName: options.applicationName,
          wire: options.wire,
          planCacheMode: options.planCacheMode,
          signal,
        }),
    });
}
