import type { LaneTransaction } from '../../../src/connection/lane.ts';
import type { LanePool } from '../../../src/connection/lane-pool.ts';
import { LaneLostError } from '../../../src/errors.ts';

/**
 * What postgres.js's own pool does after a connection's death (lane-lost-transaction.test.ts shows it): a callback that is still running
 * goes on in whichever transaction the connection has open now.
 */
export function mixing(pool: LanePool): LanePool {
  let open: LaneTransaction | undefined;
  const whichever: LaneTransaction = {
    get over() {
      return open!.over;
    },
    execute: async (statement, options) => await open!.execute(statement, options),
    savepoint: async (callback) => await open!.savepoint(callback),
    copyTo: (text, options) => open!.copyTo(text, options),
  };
  return {
    ...passing(pool),
    transaction: async (context, options, callback) =>
      await pool.transaction(context, options, async (transaction) => {
        open = transaction;
        return await callback(whichever);
      }),
  };
}

/** A pool under a retry that does not ask whether the first attempt may have been kept. */
export function resending(pool: LanePool): LanePool {
  return {
    ...passing(pool),
    run: async (unit, signal) =>
      await pool.run(unit, signal).catch(async (error: unknown) => {
        if (error instanceof LaneLostError && error.sent) return await pool.run(unit, signal);
        throw error;
      }),
  };
}

function passing(pool: LanePool): LanePool {
  return {
    size: pool.size,
    run: async (unit, signal) => await pool.run(unit, signal),
    transaction: async (context, options, callback) => await pool.transaction(context, options, callback),
    close: async () => await pool.close(),
  };
}
