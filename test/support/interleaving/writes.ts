import { eq, sql } from 'drizzle-orm';
import { QueryFailedError, TransactionAbortedError } from '../../../src/errors.ts';
import { type Program, pause, refused, type Step, write } from './program.ts';
import { readAll } from './reads.ts';
import { items, notes } from './schema.ts';

const note = ({ tenantId, random }: Program, key: string, n = 0) => ({ key, itemId: 1 + random.below(5), marker: tenantId, n });

/** Ways to insert one note. The raw one takes the tenant from the context that PostgreSQL verified, wherever that would put it. */
const inserts: readonly ((program: Program, key: string) => PromiseLike<unknown>)[] = [
  (program, key) => program.face.db.insert(notes).values(note(program, key)),
  ({ exchange, tenantId }, key) => exchange.prepared.insert.execute({ key, marker: tenantId }),
  ({ face, tenantId }, key) =>
    face.sql`insert into notes (tenant_id, key, item_id, marker, n) values ((select tenancy.current_tenant_id()), ${key}, 1, ${tenantId}, 0)`,
  (program, key) =>
    program.face.db
      .insert(notes)
      .values(note(program, key, 7))
      .onConflictDoUpdate({ target: [notes.tenantId, notes.key], set: { n: 0 } })
      .then(() => program.face.db.update(notes).set({ n: 0 }).where(eq(notes.key, key))),
];

/** One unit. */
export const insert: Step = async (program) => {
  const key = program.newKey();
  const one = program.random.pick(inserts.slice(0, 3));
  await write(program, key, 0, () => one(program, key));
};

/** A note through its life; every answer must be the note's. */
export const change: Step = async (program) => {
  const { face, random, book, tenantId } = program;
  const { db } = face;
  const key = program.newKey();
  await write(program, key, 0, () => random.pick(inserts)(program, key));
  await pause(random);
  const changed = await db
    .update(notes)
    .set({ n: sql`${notes.n} + 1` })
    .where(eq(notes.key, key))
    .returning();
  book.own(tenantId, changed, 'update');
  if (changed.length !== 1 || changed[0]?.n !== 1) book.note('missing', `update: ${tenantId} changed ${changed.length} of its notes`);
  book.kept(tenantId, key, 1);
  if (random.chance(0.6)) {
    await db.delete(notes).where(eq(notes.key, key));
    book.gone(key);
  }
};

/** Statements that fail, in the ORM and in PostgreSQL; the lane must serve the next as if nothing had been. */
export const failures: Step = async (program) => {
  const { face, random, tenantId } = program;
  const kinds: readonly [string, () => PromiseLike<unknown>][] = [
    ['a division by zero', () => face.sql`select 1 / ${0}::int`],
    ['a syntax error', () => face.sql`selekt from items`],
    ['a table that is not there', () => face.sql`select * from nowhere`],
    ['a broken key', () => face.db.insert(items).values({ id: 1, marker: tenantId, secret: 'x' })],
    ['a broken foreign key', () => face.db.insert(notes).values({ ...note(program, program.newKey()), itemId: 99 })],
    ['a value of another type', () => face.sql`select ${'no number'}::int`],
    ['an ORM failure', () => face.db.select({ n: sql`1 / (${items.id} - ${items.id})` }).from(items)],
  ];
  const [what, work] = random.pick(kinds);
  await refused(program, what, work, QueryFailedError);
};

/** A transaction of several statements, with savepoints, the base database inside, and ends of every kind. */
export const transaction: Step = async (program) => {
  const { face, random, book, tenantId } = program;
  const { db } = face;
  const inside: [key: string, n: number][] = [];
  const giveUp = new Error('given up');
  const caught = random.chance(0.15);
  const thrown = !caught && random.chance(0.2);
  const put = async (on: Pick<typeof db, 'insert'>): Promise<void> => {
    const key = program.newKey();
    await on.insert(notes).values(note(program, key));
    inside.push([key, 0]);
  };
  const savepoint = async (on: Pick<typeof db, 'transaction'>, depth: number): Promise<void> => {
    const before = inside.length;
    const undone = random.chance(0.4);
    try {
      await on.transaction(async (inner) => {
        await put(inner as never);
        await pause(random);
        if (depth > 0) await savepoint(inner as never, depth - 1);
        if (undone) {
          await inner.execute(sql`select 1 / 0`);
        }
      });
    } catch (error) {
      if (!undone || !(error instanceof QueryFailedError)) throw error;
      inside.length = before;
    }
  };
  try {
    await db.transaction(
      async (tx) => {
        if (random.chance(0.5)) await pause(random);
        await put(random.chance(0.5) ? tx : db);
        for (let left = 1 + random.below(3); left > 0; left--) {
          await pause(random);
          const kind = random.below(4);
          if (kind === 0) await savepoint(tx as never, random.below(2));
          else if (kind === 1) book.own(tenantId, await tx.select({ marker: notes.marker }).from(notes).limit(3), 'transaction');
          else if (kind === 2) await readAll(program);
          else await Promise.all([put(tx), readAll(program), put(db)]);
        }
        if (caught) await tx.execute(sql`select 1 / 0`).catch(() => {});
        if (thrown) throw giveUp;
      },
      random.chance(0.2) ? { isolationLevel: 'repeatable read' } : undefined,
    );
    if (caught) book.note('refusal', `a transaction of ${tenantId} whose failure was caught resolved`);
    for (const [key, n] of inside) book.kept(tenantId, key, n);
  } catch (error) {
    if (error !== giveUp && !(caught && error instanceof TransactionAbortedError)) throw error;
  }
};
