import type { LaneTransaction, TransactionOptions, Unit, UnitContext } from './lane.ts';
import type { StatementResult } from './statement.ts';

/** The lanes to one database under one login. */
export interface LanePool {
  /** Runs one unit on a lane that serves this tenant or is idle. @throws {LanesExhaustedError} when none came free in time */
  run(unit: Unit, signal?: AbortSignal): Promise<StatementResult>;
  transaction<T>(context: UnitContext, options: TransactionOptions, callback: (transaction: LaneTransaction) => Promise<T>): Promise<T>;
  readonly size: number;
  close(): Promise<void>;
}
