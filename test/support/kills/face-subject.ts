import { setImmediate as turn } from 'node:timers/promises';
import { desc, sql } from 'drizzle-orm';
import type { Tenancy } from '../../../src/tenancy.ts';
import { carryOn } from './carry-on.ts';
import { entries } from './entries.ts';
import type { Journal, JournalRow } from './journal.ts';
import type { KillSubject } from './subject.ts';

type Schema = { readonly entries: typeof entries };
/** What is used of a tenancy. */
type Face = Pick<Tenancy<Schema>, 'db' | 'sql' | 'run' | 'transaction'> & AsyncDisposable;
type Options = Parameters<Face['transaction']>[1];
type Body = (tx: Parameters<Parameters<Face['transaction']>[0]>[0], name: () => string) => Promise<void>;

const row = { tenantId: entries.tenantId, name: entries.name };
const giveUp = new Error('given up');

/** Work through everything that a service is given. */
export function faceSubject(face: Face, journal: Journal): KillSubject {
  const { db, sql: raw } = face;
  const prepared = db
    .insert(entries)
    .values({ name: sql.placeholder('name') })
    .returning(row)
    .prepare('entry');
  const latest = () => raw<JournalRow>`select tenant_id as "tenantId", name from entries order by n desc limit ${20}`;

  const insert = async (tenantId: string, name: string, on: Pick<Face['db'], 'insert'> = db): Promise<void> =>
    journal.own(tenantId, await on.insert(entries).values({ name }).returning(row));
  // The tenant is whoever the context that PostgreSQL verified says: an insert that strays would be a row of another.
  const insertRaw = async (tenantId: string, name: string): Promise<void> =>
    journal.own(
      tenantId,
      await raw<JournalRow>`
        insert into entries (tenant_id, name) values ((select tenancy.current_tenant_id()), ${name}) returning tenant_id as "tenantId", name`,
    );
  const read = async (tenantId: string): Promise<void> =>
    journal.own(tenantId, await db.select(row).from(entries).orderBy(desc(entries.n)).limit(3));
  const readRaw = async (tenantId: string): Promise<void> => journal.own(tenantId, await latest());
  const readCursor = async (tenantId: string, between: () => Promise<void> = async () => {}): Promise<void> => {
    for await (const batch of latest().cursor(8)) {
      journal.own(tenantId, batch);
      await between();
    }
  };
  const readCopy = async (tenantId: string): Promise<void> => {
    let text = '';
    for await (const chunk of latest().copyTo({ format: 'text', delimiter: '|' })) text += Buffer.from(chunk).toString();
    const lines = text.split('\n').slice(0, -1);
    journal.own(
      tenantId,
      lines.map((line) => ({ tenantId: line.slice(0, line.indexOf('|')), name: line.slice(line.indexOf('|') + 1) })),
    );
  };

  const one = async (tenantId: string, write: (tenantId: string, name: string) => Promise<void>): Promise<void> => {
    const name = journal.newName(tenantId);
    await journal.write(tenantId, [name], () => face.run(tenantId, () => write(tenantId, name)));
  };
  const reading = async (tenantId: string, work: () => Promise<void>): Promise<void> => {
    await face.run(tenantId, work).catch((error: unknown) => journal.met(tenantId, error));
  };
  const inTransaction = async (tenantId: string, body: Body, options?: Options): Promise<void> => {
    const names: string[] = [];
    await journal.write(tenantId, names, () =>
      face.run(tenantId, () =>
        face.transaction(async (tx) => {
          // What an attempt before this one wrote is not kept, however this one ends.
          for (const name of names.splice(0)) journal.undone(tenantId, name);
          await body(tx, () => {
            const name = journal.newName(tenantId);
            names.push(name);
            return name;
          });
        }, options),
      ),
    );
  };

  return {
    read: async (tenantId) => await face.run(tenantId, () => read(tenantId)),
    close: async () => await face[Symbol.asyncDispose](),
    operations: {
      unit: async (tenantId) => await one(tenantId, insert),
      'raw unit': async (tenantId) => await one(tenantId, insertRaw),
      'prepared unit': async (tenantId) => await one(tenantId, async (_, name) => journal.own(tenantId, await prepared.execute({ name }))),
      'overlapping units': async (tenantId) => {
        await Promise.all([
          one(tenantId, insert),
          one(tenantId, insertRaw),
          one(tenantId, insert),
          reading(tenantId, () => read(tenantId)),
        ]);
      },
      transaction: async (tenantId) =>
        await inTransaction(tenantId, async (tx, name) => {
          await insert(tenantId, name(), tx);
          await read(tenantId);
          await turn();
          await Promise.all([insert(tenantId, name()), readRaw(tenantId), insertRaw(tenantId, name())]);
        }),
      'a transaction that may be repeated': async (tenantId) =>
        await inTransaction(
          tenantId,
          async (tx, name) => {
            await readRaw(tenantId);
            await insert(tenantId, name(), tx);
          },
          { isolationLevel: 'serializable', retry: { attempts: 20, baseDelayMs: 1 } },
        ),
      savepoints: async (tenantId) =>
        await inTransaction(tenantId, async (tx, name) => {
          await insert(tenantId, name(), tx);
          await tx.transaction(async (inner) => {
            await insert(tenantId, name(), inner as typeof tx);
            await db
              .transaction(async () => {
                const undone = journal.newName(tenantId);
                journal.undone(tenantId, undone);
                await insertRaw(tenantId, undone);
                throw giveUp;
              })
              .catch((error: unknown) => {
                if (error !== giveUp) throw error;
              });
          });
          await insert(tenantId, name());
        }),
      rollback: async (tenantId) => {
        const name = journal.newName(tenantId);
        journal.undone(tenantId, name);
        const work = face.run(tenantId, () =>
          db.transaction(async (tx) => {
            await insert(tenantId, name, tx as never);
            throw giveUp;
          }),
        );
        await work.catch((error: unknown) => {
          if (error !== giveUp) journal.met(tenantId, error);
        });
      },
      cursor: async (tenantId) => await reading(tenantId, () => readCursor(tenantId)),
      'a cursor among writes': async (tenantId) =>
        await inTransaction(tenantId, async (_, name) => {
          await insertRaw(tenantId, name());
          await readCursor(tenantId, () => insert(tenantId, name()));
        }),
      COPY: async (tenantId) => await reading(tenantId, () => readCopy(tenantId)),
      'COPY between writes': async (tenantId) =>
        await inTransaction(tenantId, async (tx, name) => {
          await insert(tenantId, name(), tx);
          await readCopy(tenantId);
          await insertRaw(tenantId, name());
        }),
      // Goes on whatever its statements meet, as code does that logs and carries on: nothing of it may reach another's transaction. The scope
      // waits for it, so that it is not the scope's end that stops it.
      'a callback that ignores errors': async (tenantId) => {
        let carried: Promise<void> = Promise.resolve();
        const names: string[] = [];
        await face.run(tenantId, async () => {
          await journal.write(tenantId, names, () =>
            face.transaction(async (tx) => {
              carried = carryOn([
                async () => {
                  const name = journal.newName(tenantId);
                  names.push(name);
                  await insertRaw(tenantId, name);
                },
                async () => await readRaw(tenantId),
                async () => await tx.transaction(async () => await readCursor(tenantId)),
                async () => await readCopy(tenantId),
              ]);
              await carried;
            }),
          );
          await carried;
        });
      },
    },
  };
}
