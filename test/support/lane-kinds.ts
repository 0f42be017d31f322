import type { Lane } from '../../src/connection/lane.ts';
import { type LaneWire, openPostgresLane, type PostgresLaneOptions } from '../../src/connection/postgres-lane.ts';
import type { LaneOptions } from '../../src/routing/open-postgres-pool.ts';

/** One implementation of the lane contract, as suites that hold for all of them take it. */
export interface LaneKind {
  readonly name: string;
  open(options: PostgresLaneOptions): Promise<Lane>;
  /** What `createTenancy` takes to use it. */
  readonly lanes: LaneOptions;
  /** How much of a long suite it gets where time is short: all of it, for the lanes that services have unless told otherwise. */
  readonly share: number;
}

function over(wire: LaneWire, share: number): LaneKind {
  return { name: wire, open: async (options) => await openPostgresLane({ ...options, wire }), lanes: { wire }, share };
}

/** Every implementation that there is. */
export const laneKinds: readonly LaneKind[] = [over('own', 1), over('driver', 0.1)];
