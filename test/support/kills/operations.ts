import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { LaneTransaction } from '../../../src/connection/lane.ts';
import type { LanePool } from '../../../src/connection/lane-pool.ts';
import { contextOf } from '../lane-database.ts';
import type { Journal } from './journal.ts';

/** One tenant's work, of a kind that has points of its own to be cut at. It never rejects. */
export type Operation = (journal: Journal, pool: LanePool, tenantId: string) => Promise<void>;

type Body = (transaction: LaneTransaction, name: () => string) => Promise<void>;

async function inTransaction(journal: Journal, pool: LanePool, tenantId: string, body: Body): Promise<void> {
  const names: string[] = [];
  await journal.write(tenantId, names, () =>
    pool.transaction(contextOf(tenantId), {}, async (transaction) => {
      await body(transaction, () => {
        const name = journal.newName(tenantId);
        names.push(name);
        return name;
      });
    }),
  );
}

const giveUp = new Error('given up');

export const operations: Readonly<Record<string, Operation>> = {
  unit: async (journal, pool, tenantId) => await journal.unit(pool, tenantId),
  'raw unit': async (journal, pool, tenantId) => await journal.unit(pool, tenantId, true),
  'overlapping units': async (journal, pool, tenantId) => {
    await Promise.all([journal.unit(pool, tenantId), journal.unit(pool, tenantId), journal.unit(pool, tenantId)]);
  },
  transaction: async (journal, pool, tenantId) =>
    await inTransaction(journal, pool, tenantId, async (transaction, name) => {
      await journal.writeIn(transaction, tenantId, name());
      await journal.readIn(transaction, tenantId);
      await turn();
      await Promise.all([journal.writeIn(transaction, tenantId, name()), journal.readIn(transaction, tenantId)]);
    }),
  savepoints: async (journal, pool, tenantId) =>
    await inTransaction(journal, pool, tenantId, async (transaction, name) => {
      await journal.writeIn(transaction, tenantId, name());
      await transaction.savepoint(async () => {
        await journal.writeIn(transaction, tenantId, name());
        await transaction
          .savepoint(async () => {
            const undone = journal.newName(tenantId);
            journal.undone(tenantId, undone);
            await journal.writeIn(transaction, tenantId, undone);
            throw giveUp;
          })
          .catch((error: unknown) => {
            if (error !== giveUp) throw error;
          });
      });
      await journal.writeIn(transaction, tenantId, name());
    }),
  rollback: async (journal, pool, tenantId) => {
    const name = journal.newName(tenantId);
    journal.undone(tenantId, name);
    await pool
      .transaction(contextOf(tenantId), {}, async (transaction) => {
        await journal.writeIn(transaction, tenantId, name);
        throw giveUp;
      })
      .catch(() => {});
  },
  // Goes on whatever its statements meet, as code does that logs and carries on: nothing of it may reach another's transaction.
  'a callback that ignores errors': async (journal, pool, tenantId) =>
    await inTransaction(journal, pool, tenantId, async (transaction, name) => {
      for (let round = 0; round < 4; round++) {
        await journal.writeIn(transaction, tenantId, name()).catch(() => {});
        await sleep(round);
        await Promise.all([
          journal.readIn(transaction, tenantId).catch(() => {}),
          transaction.savepoint(async () => await journal.readIn(transaction, tenantId)).catch(() => {}),
        ]);
      }
    }),
};
