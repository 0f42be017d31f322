import type { Lane } from '../../src/connection/lane.ts';
import { openPostgresLane, type PostgresLaneOptions } from '../../src/connection/postgres-lane.ts';
import type { LaneOptions } from '../../src/routing/open-postgres-pool.ts';

/** One implementation of the lane contract, as suites that hold for all of them take it. */
export interface LaneKind {
  readonly name: string;
  open(options: PostgresLaneOptions): Promise<Lane>;
  /** What `createTenancy` takes to use it. */
  readonly lanes: LaneOptions;
}

/** Every implementation that there is. */
export const laneKinds: readonly LaneKind[] = [{ name: 'driver', open: openPostgresLane, lanes: {} }];
