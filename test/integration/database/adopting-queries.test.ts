import { and, eq, exists, getTableColumns, inArray, isNotNull, isNull, not, or, relations, sql } from 'drizzle-orm';
import { alias, integer, text } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { blindIndex } from '../../../src/database/blind-index.ts';
import { encryptedNumber } from '../../../src/database/encrypted-number.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { tenantView } from '../../../src/database/tenant-view.ts';
import { EncryptedColumnError } from '../../../src/errors.ts';
import { runAs } from '../../support/direct-route.ts';
import { type EncryptedWorld, encryptedWorld } from './encrypted-world.ts';

function release(write: 'plaintext' | 'encrypted') {
  const patients = tenantTable(
    'patients',
    {
      id: integer('id').notNull(),
      doctorId: integer('doctor_id'),
      note: encryptedText('note_encrypted', { adopt: { from: 'note', write } }),
      email: encryptedText('email_encrypted', { adopt: { from: 'email', write }, index: blindIndex({ name: 'mail' }) }),
      share: encryptedNumber('share_encrypted', { adopt: { from: 'share', write, type: 'real' }, index: blindIndex() }),
    },
    (t) => [tenantKey(t.id)],
  );
  const mails = tenantTable(
    'mails',
    {
      id: integer('id').notNull(),
      patientId: integer('patient_id'),
      address: encryptedText('address', { index: blindIndex({ name: 'mail' }) }),
      subject: text('subject'),
    },
    (t) => [tenantKey(t.id)],
  );
  const patientRelations = relations(patients, ({ many }) => ({ mails: many(mails) }));
  const mailRelations = relations(mails, ({ one }) => ({
    patient: one(patients, { fields: [mails.patientId], references: [patients.id] }),
  }));
  return { patients, mails, patientRelations, mailRelations };
}

const before = {
  patients: tenantTable('patients', { id: integer('id').notNull(), note: text('note'), email: text('email') }, (t) => [tenantKey(t.id)]),
};
const readingBoth = release('plaintext');
const encrypting = release('encrypted');
const { patients, mails } = encrypting;
const sheets = tenantView('sheets').as((qb) => qb.select().from(patients));

let world: EncryptedWorld;
beforeAll(async () => {
  world = await encryptedWorld(encrypting);
  await world.admin.unsafe('create view pool.sheets as select * from pool.patients');
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const services = () => ({
  old: world.scopedBy(before).db,
  both: world.scopedBy(readingBoth).db,
  db: world.scopedBy({ ...encrypting, sheets }).db,
});
const inAlpha = (run: (of: ReturnType<typeof services>) => Promise<void>) => () => runAs('alpha', async () => await run(services()));
const idsOf = (rows: readonly { readonly id: number }[]) => rows.map(({ id }) => id).sort();
const refused = async (run: () => PromiseLike<unknown>, why: RegExp) => {
  const attempt = async () => await run();
  await expect(attempt()).rejects.toThrow(EncryptedColumnError);
  await expect(attempt()).rejects.toThrow(why);
};

/** Row 1 is of the release before, row 2 of the one that reads both, row 3 encrypted; row 4 has no values. */
const emails = ['one', 'two', 'three'];
beforeEach(
  inAlpha(async ({ old, both, db }) => {
    await world.admin.unsafe('truncate pool.patients, pool.mails');
    await old.insert(before.patients).values({ id: 1, note: 'note', email: 'one' });
    await both.insert(readingBoth.patients).values({ id: 2, note: 'note', email: 'two' });
    await db.insert(patients).values([{ id: 3, note: 'note', email: 'three' }, { id: 4 }]);
    await db.insert(mails).values(emails.map((address, i) => ({ id: i + 1, patientId: i + 1, address })));
  }),
);

describe('a comparison with a column that takes over another', () => {
  it(
    'is false, and not unknown, where the value is another: not(…) finds those rows',
    inAlpha(async ({ db }) => {
      const found = async (condition: ReturnType<typeof eq> | undefined) =>
        idsOf(await db.select({ id: patients.id }).from(patients).where(condition));
      for (const [i, email] of emails.entries()) {
        const others = [1, 2, 3].filter((id) => id !== i + 1);
        expect(await found(eq(patients.email, email))).toEqual([i + 1]);
        expect(await found(not(eq(patients.email, email)))).toEqual(others);
        expect(await found(not(inArray(patients.email, [email, 'nobody'])))).toEqual(others);
        expect(await found(or(not(eq(patients.email, email)), eq(patients.email, email)))).toEqual([1, 2, 3]);
        expect(await db.$count(patients, not(eq(patients.email, email)))).toBe(2);
      }
      expect(await found(eq(patients.email, null as never))).toEqual([]);
      expect(await found(not(eq(patients.email, null as never)))).toEqual([]);
      const byEmail = db
        .select({ id: patients.id })
        .from(patients)
        .where(not(eq(patients.email, sql.placeholder('email'))))
        .prepare('others');
      expect(idsOf(await byEmail.execute({ email: 'one' }))).toEqual([2, 3]);
      expect(await byEmail.execute({ email: null })).toEqual([]);
    }),
  );

  it(
    'goes by the value and not by the tag that the value before had, when a release that knows no tags wrote it',
    inAlpha(async ({ old, db }) => {
      const tagged = await world.admin.unsafe('select id from pool.patients where email is not null and email_encrypted_index is not null');
      // The control: there is a tag that goes stale.
      expect(tagged).toEqual([{ id: 2 }]);
      await old.update(before.patients).set({ email: 'new' }).where(eq(before.patients.id, 2));
      const found = async (email: string) => idsOf(await db.select({ id: patients.id }).from(patients).where(eq(patients.email, email)));
      expect(await found('two')).toEqual([]);
      expect(await found('new')).toEqual([2]);
    }),
  );

  it(
    'by another column is refused on either side: rows of before have no tag',
    inAlpha(async ({ db }) => {
      const why = /patients.email_encrypted is encrypted and can't be compared so while it takes over/;
      for (const on of [eq(patients.email, mails.address), eq(mails.address, patients.email)])
        await refused(() => db.select({ id: mails.id }).from(mails).innerJoin(patients, on), why);
    }),
  );
});

describe('a null test of a column that takes over another', () => {
  const missing = (column: typeof patients.note) => sql<boolean>`${column} is null`;
  const answers = [1, 2, 3, 4].map((id) => ({ id, missing: id === 4 }));

  it(
    'knows both columns as a field of a select, of returning and of a relational query',
    inAlpha(async ({ db, both }) => {
      const fields = { id: patients.id, missing: missing(patients.note) };
      expect(await db.select(fields).from(patients).orderBy(patients.id)).toEqual(answers);
      const named = { id: patients.id, missing: sql<boolean>`${patients.note} is null`.as('missing') };
      expect(await db.select(named).from(patients).orderBy(patients.id)).toEqual(answers);
      expect(await db.select(fields).from(patients).leftJoin(mails, eq(mails.id, patients.id)).orderBy(patients.id)).toEqual(answers);
      expect(await db.update(patients).set({ doctorId: 1 }).where(eq(patients.id, 1)).returning(fields)).toEqual([answers[0]]);
      expect(
        await both
          .insert(readingBoth.patients)
          .values({ id: 5, note: 'five' })
          .returning({ missing: missing(readingBoth.patients.note) }),
      ).toEqual([{ missing: false }]);
      expect(await db.delete(patients).where(eq(patients.id, 5)).returning(fields)).toEqual([{ id: 5, missing: false }]);
      const extras = { missing: sql<boolean>`${patients.note} is null`.as('missing') };
      expect(await db.query.patients.findMany({ columns: { id: true }, extras, orderBy: patients.id })).toEqual(answers);
      expect(
        await db.query.mails.findMany({
          columns: { id: true },
          where: eq(mails.id, 1),
          with: { patient: { columns: { id: true }, extras } },
        }),
      ).toEqual([{ id: 1, patient: answers[0] }]);
    }),
  );

  it(
    'is answered of a subquery as a field, alone or joined, and refused of a view',
    inAlpha(async ({ db }) => {
      const inner = db.select().from(patients).as('inner');
      const fields = { id: inner.id, missing: missing(inner.note as never) };
      expect(await db.select(fields).from(inner).orderBy(inner.id)).toEqual(answers);
      expect(await db.select(fields).from(inner).leftJoin(mails, eq(mails.id, inner.id)).orderBy(inner.id)).toEqual(answers);
      await refused(() => db.select({ missing: missing(sheets.note as never) }).from(sheets), /can't be read through a view/);
      const compared = and(eq(inner.email, 'one'), sql`true`) as ReturnType<typeof sql<boolean>>;
      await refused(
        () => db.select({ compared, id: mails.id }).from(inner).leftJoin(mails, sql`true`),
        /be compared through a subquery or a view/,
      );
    }),
  );

  it(
    'does not take a table for a subquery of the same name elsewhere in the statement',
    inAlpha(async ({ db }) => {
      const shadow = db.select({ id: patients.id, note: patients.note }).from(patients).as('patients');
      const found = await db
        .select({ id: patients.id })
        .from(patients)
        .where(and(exists(db.select({ one: sql`1` }).from(shadow)), isNull(patients.note)));
      expect(found).toEqual([{ id: 4 }]);
      const other = alias(patients, 'other');
      expect(
        await db
          .select({ shadow: shadow.note, other: other.note })
          .from(shadow)
          .innerJoin(other, eq(other.id, shadow.id))
          .where(and(isNotNull(shadow.note), eq(other.id, 1))),
      ).toEqual([{ shadow: 'note', other: 'note' }]);
      const cte = db.$with('patients').as(db.select({ id: patients.id, note: patients.note }).from(patients));
      for (const from of [cte, patients])
        expect(
          await db
            .with(cte)
            .select({ note: from.note })
            .from(from)
            .where(and(isNotNull(from.note), eq(from.id, 1))),
        ).toEqual([{ note: 'note' }]);
    }),
  );
});

describe('a column that takes over another', () => {
  it(
    'is read from what an update reads from: a table, a subquery or a CTE',
    inAlpha(async ({ db }) => {
      const inner = db.select({ id: patients.id, note: patients.note }).from(patients).as('inner');
      const cte = db.$with('cte').as(db.select({ id: patients.id, note: patients.note }).from(patients));
      for (const from of [patients, inner, cte])
        expect(
          await db
            .with(cte)
            .update(mails)
            .set({ subject: 'x' })
            .from(from)
            .where(and(eq(mails.id, from.id), eq(from.id, 1), isNotNull(from.note)))
            .returning({ note: from.note, address: mails.address }),
        ).toEqual([{ note: 'note', address: 'one' }]);
    }),
  );

  it(
    'is mapped from no SQL, whose answer may be one of the two',
    inAlpha(async ({ db }) => {
      await refused(() => db.select({ note: sql`note_encrypted`.mapWith(patients.note) }).from(patients), /can't be mapped from SQL/);
    }),
  );

  it(
    'gets no plaintext from insert … select, nor gives any',
    inAlpha(async ({ db }) => {
      const { note$plaintext } = getTableColumns(patients) as never as { note$plaintext: typeof mails.subject };
      const fields = { id: sql<number>`77`.as('id'), note$plaintext: sql`'plain'`.as('note') };
      await refused(
        () => db.insert(patients).select(db.select(fields).from(mails).limit(1) as never),
        /patients.note_encrypted is encrypted and can't be copied by insert/,
      );
      await refused(
        () => db.insert(mails).select(db.select({ id: sql<number>`77`.as('id'), subject: note$plaintext }).from(patients) as never),
        /patients.note_encrypted is encrypted and can't be copied by insert/,
      );
    }),
  );

  it(
    'has the digits that a driver reads of single precision',
    inAlpha(async ({ db, both }) => {
      await both.update(readingBoth.patients).set({ share: 0.1 }).where(eq(readingBoth.patients.id, 1));
      await db.update(patients).set({ share: 0.1 }).where(eq(patients.id, 3));
      const found = await db.select({ share: patients.share }).from(patients).where(eq(patients.share, 0.1));
      expect(found).toEqual([{ share: 0.1 }, { share: 0.1 }]);
    }),
  );
});
