import { eq, isNotNull, isNull, sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, expectTypeOf, it } from 'vitest';
import { runAs } from '../../support/direct-route.ts';
import { people, teams } from './encrypted-schema.ts';
import { type EncryptedWorld, encryptedWorld } from './encrypted-world.ts';

let world: EncryptedWorld;
beforeAll(async () => {
  world = await encryptedWorld();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const values = {
  salary: 51_234.56,
  bornAt: new Date('1987-06-05T04:03:02.001Z'),
  note: 'left-handed',
  address: { city: 'Köln' },
  photo: Buffer.from([0, 0x80, 0, 255, 0x80, 0]),
  plain: 'unpadded',
};
const nothing = { salary: null, bornAt: null, note: null, address: null, photo: null, plain: null };
const cells = {
  salary: people.salary,
  bornAt: people.bornAt,
  note: people.note,
  address: people.address,
  photo: people.photo,
  plain: people.plain,
};

it('every type comes back as it was: insert, returning, select, relations, update, upsert, prepared', async () => {
  const { db } = world.scoped;
  await runAs('alpha', async () => {
    await db.insert(teams).values({ id: 1, name: 'one' });
    expect(
      await db
        .insert(people)
        .values({ id: 1, teamId: 1, ...values })
        .returning(cells),
    ).toEqual([values]);
    await db.insert(people).values({ id: 2 });
    expect(await db.select(cells).from(people).orderBy(people.id)).toEqual([values, nothing]);
    expect(await db.query.people.findMany({ columns: { id: false, teamId: false, tenantId: false }, orderBy: people.id })).toEqual([
      values,
      nothing,
    ]);
    const [team] = await db.query.teams.findMany({ with: { people: true } });
    expect(team?.people).toEqual([{ tenantId: 'alpha', id: 1, teamId: 1, ...values }]);

    expect(await db.update(people).set({ salary: -0, bornAt: null }).where(eq(people.id, 1)).returning(cells)).toEqual([
      { ...values, salary: -0, bornAt: null },
    ]);
    const upserted = await db
      .insert(people)
      .values({ id: 2, salary: 1 })
      .onConflictDoUpdate({ target: people.id, set: values })
      .returning(cells);
    expect(upserted).toEqual([values]);
    expect(await db.select({ id: people.id }).from(people).where(isNull(people.bornAt))).toEqual([{ id: 1 }]);
    expect(await db.select({ id: people.id }).from(people).where(isNotNull(people.bornAt))).toEqual([{ id: 2 }]);

    const insert = db
      .insert(people)
      .values({ id: sql.placeholder('id'), salary: sql.placeholder('salary'), bornAt: sql.placeholder('bornAt'), note: 'constant' })
      .returning({ salary: people.salary, bornAt: people.bornAt, note: people.note })
      .prepare('insert_person');
    expect(await insert.execute({ id: 3, salary: 7, bornAt: null })).toEqual([{ salary: 7, bornAt: null, note: 'constant' }]);
    expect(await insert.execute({ id: 4, salary: null, bornAt: values.bornAt })).toEqual([
      { salary: null, bornAt: values.bornAt, note: 'constant' },
    ]);
    await expect(insert.execute({ id: 5, salary: Number.NaN, bornAt: null })).rejects.toThrow(/salary was given .* a finite number/);
  });
});

it('drizzle’s types are the values’ own', () => {
  expectTypeOf<typeof people.$inferSelect.salary>().toEqualTypeOf<number | null>();
  expectTypeOf<typeof people.$inferSelect.bornAt>().toEqualTypeOf<Date | null>();
  expectTypeOf<typeof people.$inferInsert.address>().toEqualTypeOf<{ readonly city: string } | null | undefined>();
  expectTypeOf(people.note.name).toEqualTypeOf<string>();
});

it('any finite number, any date, any text and bytes come back bit for bit, also in the statements of the shape cache', async () => {
  const { db } = world.scoped;
  await runAs('beta', async () => {
    let id = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.date({ noInvalidDate: true }),
        fc.string({ unit: 'grapheme', maxLength: 80 }),
        fc.uint8Array({ maxLength: 80 }),
        async (salary, bornAt, note, bytes) => {
          id += 1;
          const photo = Buffer.from(bytes);
          const [row] = await db.insert(people).values({ id, salary, bornAt, note, photo, plain: note }).returning();
          expect(row).toMatchObject({ bornAt, note, photo, plain: note });
          expect(Object.is(row?.salary, salary)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});

it('lengths are hidden where the column is padded, and only there', async () => {
  const { db } = world.scoped;
  await runAs('alpha', async () => {
    for (const [id, text] of ['', 'a', 'x'.repeat(31), 'x'.repeat(32)].entries())
      await db.insert(people).values({ id: 100 + id, note: text, plain: text, salary: id });
  });
  const rows = await world.admin.unsafe(
    'select octet_length(note) as note, octet_length(plain) as plain, octet_length(salary) as salary from pool.people where id >= 100 order by id',
  );
  expect([...rows]).toEqual(
    [
      [32, 0],
      [32, 1],
      [32, 31],
      [64, 32],
    ].map(([note, plain]) => ({ note: 78 + note!, plain: 78 + plain!, salary: 86 })),
  );
});

it('a value of another type is refused before anything is sent, without the value', async () => {
  const { db } = world.scoped;
  const cyclic: Record<string, unknown> = {};
  cyclic['secretName'] = cyclic;
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ salary: Number.NaN }, /people\.salary was given a value that is not a finite number/],
    [{ salary: Number.POSITIVE_INFINITY }, /finite/],
    [{ salary: '4711' }, /finite/],
    [{ bornAt: new Date(Number.NaN) }, /people\.born_at was given a value that is not a valid Date/],
    [{ bornAt: '1987-06-05' }, /valid Date/],
    [{ note: 4711 }, /not text/],
    [{ photo: '4711' }, /not bytes/],
    [{ address: cyclic }, /not a JSON value/],
  ];
  await runAs('alpha', async () => {
    for (const [given, message] of wrong) {
      const before = world.pool.sent.length;
      const error = await Promise.resolve()
        .then(() => db.insert(people).values({ id: 500, ...given } as never))
        .then(
          () => undefined,
          (reason: unknown) => reason as Error,
        );
      expect(error).toMatchObject({ code: 'ENCRYPTED_COLUMN' });
      expect(error?.message).toMatch(message);
      expect(error?.message).not.toMatch(/4711|1987|secretName/);
      expect(world.pool.sent.length).toBe(before);
    }
  });
});

it('numbers and dates are refused in SQL, as text is', async () => {
  const { db } = world.scoped;
  await runAs('alpha', async () => {
    await expect(Promise.resolve().then(() => db.select().from(people).orderBy(people.salary))).rejects.toMatchObject({
      code: 'ENCRYPTED_COLUMN',
    });
    await expect(Promise.resolve().then(() => db.select({ sum: sql`sum(${people.salary})` }).from(people))).rejects.toMatchObject({
      code: 'ENCRYPTED_COLUMN',
    });
  });
});
