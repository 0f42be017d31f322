import { and, eq, inArray, isNotNull, isNull, ne, relations, sql } from 'drizzle-orm';
import { alias, doublePrecision, integer, jsonb, text, timestamp } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { blindIndex } from '../../../src/database/blind-index.ts';
import { encryptedBytes } from '../../../src/database/encrypted-bytes.ts';
import { encryptedDate } from '../../../src/database/encrypted-date.ts';
import { encryptedJson } from '../../../src/database/encrypted-json.ts';
import { encryptedNumber } from '../../../src/database/encrypted-number.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantForeignKey } from '../../../src/database/tenant-foreign-key.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { tenantView } from '../../../src/database/tenant-view.ts';
import { ConfigurationError, DecryptionError, EncryptedColumnError } from '../../../src/errors.ts';
import { runAs } from '../../support/direct-route.ts';
import { type EncryptedWorld, encryptedWorld } from './encrypted-world.ts';

/** The tables of one release: while columns are taken over, it writes either. */
function release(write: 'plaintext' | 'encrypted') {
  const patients = tenantTable(
    'patients',
    {
      id: integer('id').notNull(),
      doctorId: integer('doctor_id'),
      note: encryptedText('note_encrypted', { adopt: { from: 'note', write }, pad: 16 }).notNull(),
      weight: encryptedNumber('weight_encrypted', { adopt: { from: 'weight', write } }),
      seen: encryptedDate('seen_encrypted', { adopt: { from: 'seen', write, type: 'timestamp' } }),
      file: encryptedJson<{ readonly city: string }>('file_encrypted', { adopt: { from: 'file', write } }),
      scan: encryptedBytes('scan_encrypted', { adopt: { from: 'scan', write } }),
      email: encryptedText('email_encrypted', { adopt: { from: 'email', write, type: 'varchar(80)' }, index: blindIndex() }),
      phone: encryptedText('phone_encrypted', { adopt: { from: 'phone', write }, index: blindIndex({ normalise: 'digits' }) }),
    },
    (t) => [tenantKey(t.id)],
  );
  const visits = tenantTable('visits', { id: integer('id').notNull(), patientId: integer('patient_id').notNull() }, (t) => [
    tenantKey(t.id),
    tenantForeignKey({ columns: [t.patientId], foreignColumns: [patients.id] }),
  ]);
  const patientRelations = relations(patients, ({ many }) => ({ visits: many(visits) }));
  const visitRelations = relations(visits, ({ one }) => ({
    patient: one(patients, { fields: [visits.patientId], references: [patients.id] }),
  }));
  return { patients, visits, patientRelations, visitRelations };
}

/** The release before: it knows plaintext only. */
const before = {
  patients: tenantTable(
    'patients',
    {
      id: integer('id').notNull(),
      note: text('note').notNull(),
      weight: doublePrecision('weight'),
      seen: timestamp('seen'),
      file: jsonb('file').$type<{ readonly city: string }>(),
      email: text('email'),
      phone: text('phone'),
    },
    (t) => [tenantKey(t.id)],
  ),
};
const readingBoth = release('plaintext');
const encrypting = release('encrypted');
const sheets = tenantView('sheets').as((qb) => qb.select().from(encrypting.patients));

const values = {
  note: 'left-handed, ß, 🦄',
  weight: 71.25,
  seen: new Date('1987-06-05T04:03:02.001Z'),
  file: { city: 'Köln' },
  scan: Buffer.from([0, 1, 0xe1, 255]),
  email: 'ada@example.org',
  phone: '+49 221 1234',
};
type Key = keyof typeof values;
const keys = Object.keys(values) as Key[];
const cells = Object.fromEntries(keys.map((key) => [key, encrypting.patients[key]])) as Pick<typeof encrypting.patients, Key>;
const cellsOfBoth = Object.fromEntries(keys.map((key) => [key, readingBoth.patients[key]])) as Pick<typeof readingBoth.patients, Key>;

let world: EncryptedWorld;
beforeAll(async () => {
  world = await encryptedWorld(encrypting);
  await world.admin.unsafe('create view pool.sheets as select * from pool.patients');
});
beforeEach(async () => {
  await world.admin.unsafe('truncate pool.patients, pool.visits');
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const services = () => ({
  old: world.scopedBy(before).db,
  both: world.scopedBy(readingBoth).db,
  encrypting: world.scopedBy({ ...encrypting, sheets }).db,
});

/** Which of the two columns hold a value, past the library. */
async function stored(id: number): Promise<Record<Key, 'plaintext' | 'encrypted' | 'both' | 'none'>> {
  const [row] = await world.admin.unsafe('select * from pool.patients where id = $1', [id]);
  return Object.fromEntries(
    keys.map((key) => {
      const [plain, encrypted] = [row![key] !== null, row![`${key}_encrypted`] !== null];
      return [key, plain && encrypted ? 'both' : plain ? 'plaintext' : encrypted ? 'encrypted' : 'none'];
    }),
  ) as never;
}
const all = (state: string) => Object.fromEntries(keys.map((key) => [key, state]));

describe('a plaintext column that is taken over', () => {
  it('is read by both releases whichever of them wrote, also in returning, joins, subqueries, CTEs, unions and relations', async () => {
    const { both, encrypting: enc } = services();
    await runAs('alpha', async () => {
      expect(
        await both
          .insert(readingBoth.patients)
          .values({ id: 1, ...values })
          .returning(cellsOfBoth),
      ).toEqual([values]);
      expect(
        await enc
          .insert(encrypting.patients)
          .values({ id: 2, ...values })
          .returning(cells),
      ).toEqual([values]);
      expect(await stored(1)).toEqual(all('plaintext'));
      expect(await stored(2)).toEqual(all('encrypted'));
      await enc.insert(encrypting.visits).values([
        { id: 1, patientId: 1 },
        { id: 2, patientId: 2 },
      ]);
      for (const [db, { patients, visits }, fields] of [
        [both, readingBoth, cellsOfBoth],
        [enc, encrypting, cells],
      ] as unknown as readonly (readonly [typeof enc, typeof encrypting, typeof cells])[]) {
        expect(await db.select(fields).from(patients).orderBy(patients.id)).toEqual([values, values]);
        const p = alias(patients, 'p');
        expect(
          await db.select({ note: p.note, visit: visits.id }).from(visits).innerJoin(p, eq(p.id, visits.patientId)).orderBy(visits.id),
        ).toEqual([
          { note: values.note, visit: 1 },
          { note: values.note, visit: 2 },
        ]);
        const inner = db.select({ id: patients.id, note: patients.note, seen: patients.seen }).from(patients).as('inner');
        expect(await db.select().from(inner).orderBy(inner.id)).toEqual([1, 2].map((id) => ({ id, note: values.note, seen: values.seen })));
        expect(await db.select({ id: inner.id }).from(inner).where(isNull(inner.note))).toEqual([]);
        const cte = db.$with('cte').as(db.select({ id: patients.id, file: patients.file }).from(patients));
        expect(await db.with(cte).select({ file: cte.file }).from(cte).orderBy(cte.id)).toEqual([
          { file: values.file },
          { file: values.file },
        ]);
        const half = (id: number) => db.select({ note: patients.note }).from(patients).where(eq(patients.id, id));
        expect(await half(1).unionAll(half(2))).toEqual([{ note: values.note }, { note: values.note }]);
        expect(
          await db.query.visits.findMany({
            with: { patient: true },
            orderBy: visits.id,
          }),
        ).toMatchObject([{ patient: values }, { patient: values }]);
        expect(await db.query.patients.findMany({ orderBy: patients.id, limit: 2, with: { visits: { limit: 1 } } })).toMatchObject([
          values,
          values,
        ]);
      }
    });
  });

  it('moves by each write to the column that the release writes, and no row ever has both', async () => {
    const { both, encrypting: enc } = services();
    await runAs('alpha', async () => {
      await enc.insert(encrypting.patients).values({ id: 1, ...values });
      await both.update(readingBoth.patients).set({ note: 'by the first release', weight: null }).where(eq(readingBoth.patients.id, 1));
      expect(await stored(1)).toEqual({ ...all('encrypted'), note: 'plaintext', weight: 'none' });
      await enc.update(encrypting.patients).set({ note: 'by the second' }).where(eq(encrypting.patients.id, 1));
      expect(await stored(1)).toEqual({ ...all('encrypted'), weight: 'none' });
      const upsert = { target: readingBoth.patients.id, set: values };
      await both.insert(readingBoth.patients).values({ id: 1, note: 'lost' }).onConflictDoUpdate(upsert);
      expect(await stored(1)).toEqual(all('plaintext'));
      const [row] = await enc
        .insert(encrypting.patients)
        .values({ id: 1, note: 'lost' })
        .onConflictDoUpdate({ target: encrypting.patients.id, set: values })
        .returning(cells);
      expect(row).toEqual(values);
      expect(await stored(1)).toEqual(all('encrypted'));
      const prepared = enc
        .update(encrypting.patients)
        .set({ note: sql.placeholder('note') as never })
        .where(eq(encrypting.patients.id, 1))
        .prepare('adopting');
      await prepared.execute({ note: 'prepared' });
      expect(await both.select({ note: readingBoth.patients.note }).from(readingBoth.patients)).toEqual([{ note: 'prepared' }]);
    });
  });

  it('goes on working with the release before as long as plaintext is written; after that its writes fail aloud', async () => {
    const { old, both, encrypting: enc } = services();
    const row = { id: 1, note: 'old', weight: 1.5, seen: values.seen, file: values.file, email: values.email, phone: values.phone };
    await runAs('alpha', async () => {
      await old.insert(before.patients).values(row);
      expect(await both.select({ note: readingBoth.patients.note, seen: readingBoth.patients.seen }).from(readingBoth.patients)).toEqual([
        { note: 'old', seen: values.seen },
      ]);
      await both.update(readingBoth.patients).set({ note: 'new' });
      expect(await old.select({ note: before.patients.note }).from(before.patients)).toEqual([{ note: 'new' }]);
      await enc.update(encrypting.patients).set({ note: 'encrypted' });
      await expect(old.update(before.patients).set({ note: 'shadowed' })).rejects.toMatchObject({ code: expect.any(String) });
      expect(await enc.select({ note: encrypting.patients.note }).from(encrypting.patients)).toEqual([{ note: 'encrypted' }]);
      // The control: without the check the old release's write is shadowed, and nobody hears of it.
      await world.admin.unsafe('alter table pool.patients drop constraint patients_note_adopting');
      await old.update(before.patients).set({ note: 'shadowed' });
      expect(await enc.select({ note: encrypting.patients.note }).from(encrypting.patients)).toEqual([{ note: 'encrypted' }]);
      await world.admin.unsafe('update pool.patients set note = null');
      await world.admin.unsafe(
        'alter table pool.patients add constraint patients_note_adopting check (num_nonnulls(note, note_encrypted) = 1)',
      );
    });
  });

  it('is null where neither has a value, and never where one has', async () => {
    const { both, encrypting: enc } = services();
    const { patients } = encrypting;
    await runAs('alpha', async () => {
      await both.insert(readingBoth.patients).values([
        { id: 1, ...values },
        { id: 2, note: 'b' },
      ]);
      await enc.insert(patients).values([
        { id: 3, ...values },
        { id: 4, note: 'd' },
      ]);
      const ids = async (condition: ReturnType<typeof isNull>) =>
        (await enc.select({ id: patients.id }).from(patients).where(condition).orderBy(patients.id)).map(({ id }) => id);
      for (const key of keys.filter((one) => one !== 'note')) {
        expect(await ids(isNull(patients[key])), key).toEqual([2, 4]);
        expect(await ids(isNotNull(patients[key])), key).toEqual([1, 3]);
      }
      const nothing = { ...Object.fromEntries(keys.map((key) => [key, null])), note: 'b' };
      expect(await enc.select(cells).from(patients).where(eq(patients.id, 2))).toEqual([nothing]);
      await expect(enc.insert(patients).values({ id: 5 } as never)).rejects.toMatchObject({ code: expect.any(String) });
      await expect(both.update(readingBoth.patients).set({ note: null as never })).rejects.toMatchObject({ code: expect.any(String) });
    });
  });

  it('is found by eq and inArray on an exact index, in rows of before as well; anything else is refused', async () => {
    const { old, both, encrypting: enc } = services();
    const { patients } = encrypting;
    await runAs('alpha', async () => {
      await old.insert(before.patients).values({ id: 1, note: 'a', email: 'one@example.org' });
      await both.insert(readingBoth.patients).values({ id: 2, note: 'b', email: 'two@example.org' });
      await enc.insert(patients).values({ id: 3, note: 'c', email: 'three@example.org' });
      const found = async (condition: ReturnType<typeof eq>) =>
        (await enc.select({ id: patients.id }).from(patients).where(condition).orderBy(patients.id)).map(({ id }) => id);
      expect(await found(eq(patients.email, 'one@example.org'))).toEqual([1]);
      expect(await found(eq(patients.email, 'three@example.org'))).toEqual([3]);
      expect(await found(inArray(patients.email, ['one@example.org', 'two@example.org', 'three@example.org']))).toEqual([1, 2, 3]);
      expect(await found(and(eq(patients.email, 'two@example.org'), eq(patients.id, 2))!)).toEqual([2]);
      const prepared = enc
        .select({ id: patients.id })
        .from(patients)
        .where(eq(patients.email, sql.placeholder('email')))
        .prepare('by email');
      expect(await prepared.execute({ email: 'one@example.org' })).toEqual([{ id: 1 }]);
      await runAs('beta', async () => expect(await found(eq(patients.email, 'one@example.org'))).toEqual([]));
      for (const refused of [
        ne(patients.email, 'x'),
        eq(patients.phone, '1'),
        eq(patients.email, alias(patients, 'other').email),
        eq(patients.note, 'x'),
      ]) {
        await expect((async () => await found(refused))()).rejects.toThrow(EncryptedColumnError);
      }
      expect(() => enc.insert(patients).values({ id: 9, note: 'x' }).onConflictDoNothing({ target: patients.email })).toThrow(
        /conflict target while it takes over/,
      );
    });
  });

  it('is refused through a view, which has no column beside it, and where the caller writes plaintext himself', async () => {
    const { encrypting: enc } = services();
    await runAs('alpha', async () => {
      await expect((async () => await enc.select({ note: sheets.note }).from(sheets))()).rejects.toThrow(/can't be read through a view/);
      await expect((async () => await enc.select({ id: sheets.id }).from(sheets).where(isNull(sheets.note)))()).rejects.toThrow(
        /can't be read through a view/,
      );
      await expect(
        (async () => await enc.insert(encrypting.patients).values({ id: 1, note: 'x', note$plaintext: 'y' } as never))(),
      ).rejects.toThrow(/written by the library only/);
    });
  });

  it('of a time that no Date can be, fails as one value of its row', async () => {
    const { encrypting: enc } = services();
    await world.admin.unsafe(`insert into pool.patients (tenant_id, id, note, seen) values ('alpha', 1, 'x', 'infinity')`);
    await runAs('alpha', async () => {
      await expect(enc.select({ seen: encrypting.patients.seen }).from(encrypting.patients)).rejects.toThrow(DecryptionError);
      expect(await enc.select({ note: encrypting.patients.note }).from(encrypting.patients)).toEqual([{ note: 'x' }]);
    });
  });

  it('gets no default that PostgreSQL still has for plaintext, once values are encrypted', async () => {
    const { both, encrypting: enc } = services();
    await world.admin.unsafe('alter table pool.patients alter weight set default 70');
    try {
      await runAs('alpha', async () => {
        // The control: as long as plaintext is written, the default is as it was.
        await both.insert(readingBoth.patients).values({ id: 1, note: 'a' });
        await enc.insert(encrypting.patients).values([
          { id: 2, note: 'b' },
          { id: 3, note: 'c', weight: 3 },
        ]);
        const weights = await enc.select({ weight: encrypting.patients.weight }).from(encrypting.patients).orderBy(encrypting.patients.id);
        expect(weights.map(({ weight }) => weight)).toEqual([70, null, 3]);
        expect((await stored(2)).weight).toBe('none');
      });
    } finally {
      await world.admin.unsafe('alter table pool.patients alter weight drop default');
    }
  });

  it('may be bound to its row', async () => {
    const of = (write: 'plaintext' | 'encrypted') =>
      tenantTable(
        'letters_of',
        { id: integer('id').notNull(), body: encryptedText('body_encrypted', { boundTo: 'id', adopt: { from: 'body', write } }) },
        (t) => [tenantKey(t.id)],
      );
    const [reading, writing] = [{ letters: of('plaintext') }, { letters: of('encrypted') }];
    const [both, enc] = [world.scopedBy(reading).db, world.scopedBy(writing).db];
    await world.admin.unsafe(
      'create table pool.letters_of (tenant_id text, id integer, body text, body_encrypted bytea, primary key (tenant_id, id))',
    );
    await runAs('alpha', async () => {
      await both.insert(reading.letters).values({ id: 1, body: 'one' });
      await enc.insert(writing.letters).values([{ id: 2, body: 'two' }, { id: 3 }]);
      const bodies = async () => (await enc.select().from(writing.letters).orderBy(writing.letters.id)).map(({ body }) => body);
      expect(await bodies()).toEqual(['one', 'two', null]);
      await enc.update(writing.letters).set({ body: 'ONE' }).where(eq(writing.letters.id, 1));
      await both
        .insert(reading.letters)
        .values({ id: 3 })
        .onConflictDoUpdate({ target: reading.letters.id, set: { body: 'three' } });
      expect(await bodies()).toEqual(['ONE', 'two', 'three']);
      expect(await world.admin.unsafe('select id, body from pool.letters_of order by id')).toEqual([
        { id: 1, body: null },
        { id: 2, body: null },
        { id: 3, body: 'three' },
      ]);
      await world.admin.unsafe(
        'update pool.letters_of set body_encrypted = (select body_encrypted from pool.letters_of where id = 2) where id = 1',
      );
      await expect(bodies()).rejects.toThrow(/can't be decrypted/);
    });
  });

  it('reads plaintext from its own column only while the declaration says so', async () => {
    const { encrypting: enc } = services();
    const after = {
      patients: tenantTable('patients', { id: integer('id').notNull(), note: encryptedText('note_encrypted').notNull() }, (t) => [
        tenantKey(t.id),
      ]),
    };
    await runAs('alpha', async () => {
      const forge = async (column: string, value: string) => {
        await world.admin.unsafe('truncate pool.patients cascade');
        await world.admin.unsafe(`insert into pool.patients (tenant_id, id, ${column}) values ('alpha', 1, ${value})`);
      };
      // Who writes to the table while a column is taken over can write plaintext, but not where ciphertext is kept.
      await forge('note', `'forged'`);
      expect(await enc.select({ note: encrypting.patients.note }).from(encrypting.patients)).toEqual([{ note: 'forged' }]);
      for (const bytes of ['666f72676564', '00666f72676564', '0100666f72676564']) {
        await forge('note_encrypted', `'\\x${bytes}'`);
        await expect(enc.select({ note: encrypting.patients.note }).from(encrypting.patients)).rejects.toThrow(/can't be decrypted/);
      }
      await forge('note', `'forged'`);
      await world.admin.unsafe(`update pool.patients set note = null, note_encrypted = '\\x00666f72676564'`);
      const { db } = world.scopedBy(after);
      await expect(db.select({ note: after.patients.note }).from(after.patients)).rejects.toThrow(/can't be decrypted/);
    });
  });
});

it.each([
  [
    'another name for the plaintext column than the encrypted one’s',
    () => ({ note: encryptedText('note', { adopt: { from: 'note', write: 'encrypted' } }) }),
  ],
  [
    'the plaintext column undeclared',
    () => ({ old: text('note'), note: encryptedText('n', { adopt: { from: 'note', write: 'encrypted' } }) }),
  ],
  ['a way of writing', () => ({ note: encryptedText('n', { adopt: { from: 'note' } as never }) })],
  ['an SQL type', () => ({ note: encryptedText('n', { adopt: { from: 'note', write: 'encrypted', type: "text default 'x'; drop" } }) })],
  ['a name that PostgreSQL takes', () => ({ note: encryptedText('n', { adopt: { from: 'n'.repeat(60), write: 'encrypted' } }) })],
])('a declaration needs %s', (_, columns) => {
  expect(() => tenantTable('t', columns() as never)).toThrow(ConfigurationError);
});
