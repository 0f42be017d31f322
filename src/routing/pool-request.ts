import type { Cluster } from '../catalog/cluster.ts';
import type { DatabaseCredentials } from '../connection/credentials.ts';
import type { LanePool } from '../connection/lane-pool.ts';

/** One database under one login: what a pool of lanes is opened for. */
export interface PoolRequest {
  readonly cluster: Cluster;
  readonly database: string;
  readonly credentials: DatabaseCredentials;
}

/** Makes the lanes of one database; connections open with the first unit. */
export type OpenPool = (request: PoolRequest) => LanePool;

/**
 * Refuses a login that could step over row-level security. Asked once per pool, before its first unit.
 *
 * @throws {LoginRefusedError}
 */
export type CheckLogin = (request: PoolRequest) => Promise<void>;
