import { and, eq, exists, getTableColumns, inArray, isNotNull, isNull, not, or, relations, sql } from 'drizzle-orm';
import { alias, integer, text } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { blindIndex } from '../../../src/database/blind-index.ts';
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
