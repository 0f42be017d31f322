import { setImmediate as turn } from 'node:timers/promises';
import type { LaneTransaction } from '../../../src/connection/lane.ts';
import type { LanePool } from '../../../src/connection/lane-pool.ts';
import type { StatementResult } from '../../../src/connection/statement.ts';
import { contextOf, rawContextOf, statementOf } from '../lane-database.ts';
import { carryOn } from './carry-on.ts';
import type { Journal } from './journal.ts';
import type { KillSubject } from './subject.ts';

const insertText = `insert into app.journal (tenant_id, name) values (current_setting('tenancy.context', true), $1) returning tenant_id, name`;
const readStatement = statementOf('select tenant_id, name from app.journal order by n desc limit 3');
const giveUp = new Error('given up');

/** Work on lanes by themselves. */
export function laneSubject(pool: LanePool, journal: Journal): KillSubject {
  const own = (tenantId: string, { rows }: StatementResult): void =>
    journal.own(
      tenantId,
      (rows as readonly [string, string][]).map(([owner, name]) => ({ tenantId: owner, name })),
    );
  const unit = async (tenantId: string, raw = false): Promise<void> => {
    const name = journal.newName(tenantId);
    const context = raw ? rawContextOf(tenantId) : contextOf(tenantId);
    await journal.write(tenantId, [name], async () =>
      own(tenantId, await pool.run({ context, statement: statementOf(insertText, [name], { prepare: !raw }) })),
    );
  };
  const writeIn = async (transaction: LaneTransaction, tenantId: string, name: string): Promise<void> =>
    own(tenantId, await transaction.execute(statementOf(insertText, [name])));
  const readIn = async (transaction: LaneTransaction, tenantId: string): Promise<void> =>
    own(tenantId, await transaction.execute(readStatement));
  const inTransaction = async (
    tenantId: string,
    body: (transaction: LaneTransaction, name: () => string) => Promise<void>,
  ): Promise<void> => {
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
  };

  return {
    read: async (tenantId) => own(tenantId, await pool.run({ context: contextOf(tenantId), statement: readStatement })),
    close: async () => await pool.close(),
    operations: {
      unit: async (tenantId) => await unit(tenantId),
      'raw unit': async (tenantId) => await unit(tenantId, true),
      'overlapping units': async (tenantId) => {
        await Promise.all([unit(tenantId), unit(tenantId), unit(tenantId)]);
      },
      transaction: async (tenantId) =>
        await inTransaction(tenantId, async (transaction, name) => {
          await writeIn(transaction, tenantId, name());
          await readIn(transaction, tenantId);
          await turn();
          await Promise.all([writeIn(transaction, tenantId, name()), readIn(transaction, tenantId)]);
        }),
      savepoints: async (tenantId) =>
        await inTransaction(tenantId, async (transaction, name) => {
          await writeIn(transaction, tenantId, name());
          await transaction.savepoint(async () => {
            await writeIn(transaction, tenantId, name());
            await transaction
              .savepoint(async () => {
                const undone = journal.newName(tenantId);
                journal.undone(tenantId, undone);
                await writeIn(transaction, tenantId, undone);
                throw giveUp;
              })
              .catch((error: unknown) => {
                if (error !== giveUp) throw error;
              });
          });
          await writeIn(transaction, tenantId, name());
        }),
      rollback: async (tenantId) => {
        const name = journal.newName(tenantId);
        journal.undone(tenantId, name);
        await pool
          .transaction(contextOf(tenantId), {}, async (transaction) => {
            await writeIn(transaction, tenantId, name);
            throw giveUp;
          })
          .catch(() => {});
      },
      // Goes on whatever its statements meet, as code does that logs and carries on: nothing of it may reach another's transaction.
      'a callback that ignores errors': async (tenantId) =>
        await inTransaction(
          tenantId,
          async (transaction, name) =>
            await carryOn([
              async () => await writeIn(transaction, tenantId, name()),
              async () => {
                await Promise.all([
                  readIn(transaction, tenantId),
                  transaction.savepoint(async () => await readIn(transaction, tenantId)).catch(() => {}),
                ]);
              },
            ]),
        ),
    },
  };
}
