import type { PoolObserver } from '../telemetry/telemetry.ts';
import type { ClusterCap } from './cluster-cap.ts';
import type { Lane } from './lane.ts';

/** What a pool of lanes works with, and its limits. */
export interface PostgresLanePoolOptions {
  readonly clusterId: string;
  readonly database: string;
  /** The cap that all pools of the process share. */
  readonly cap: ClusterCap;
  /** Lanes that this process may open to the cluster, over all pools. */
  readonly clusterMaxLanes: number;
  /** Opens a lane; asked for every lane, so that rotated credentials are picked up. */
  readonly open: (signal: AbortSignal) => Promise<Lane>;
  /** Looks at every new lane before its first unit, such as to refuse its login; when it rejects, the lane is closed and not used. */
  readonly onOpen?: ((lane: Lane) => Promise<void>) | undefined;
  /** Hears of waits and losses, and reads how many lanes there are. */
  readonly observer?: PoolObserver | undefined;
  /** Lanes of this pool; 10 unless told. */
  readonly maxLanes?: number | undefined;
  /** Lanes that one tenant may occupy at a time; all of them unless told. */
  readonly maxLanesPerTenant?: number | undefined;
  /** Units of one tenant under way on one lane; 3 unless told. More is faster until one of them is slow. */
  readonly maxDepth?: number | undefined;
  /** How long to wait for a lane, in milliseconds; 5,000 unless told. */
  readonly acquireTimeoutMs?: number | undefined;
  /** After how long without work a lane is closed, in milliseconds; 30,000 unless told. */
  readonly idleTimeoutMs?: number | undefined;
  /** How many may wait for a lane before the next is refused at once; 10,000 unless told. */
  readonly maxQueued?: number | undefined;
}
