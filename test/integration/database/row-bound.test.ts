import { randomUUID } from 'node:crypto';
import { and, eq, gt, inArray, isNotNull, ne, or, type SQL, sql } from 'drizzle-orm';
import { alias, unionAll } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createScopedLoader } from '../../../src/database/scoped-loader.ts';
import { EncryptedColumnError } from '../../../src/errors.ts';
import { runAs } from '../../support/direct-route.ts';
import { codes, ledgers, letters, teams, vaults } from './encrypted-schema.ts';
import { type EncryptedWorld, encryptedWorld } from './encrypted-world.ts';

let world: EncryptedWorld;
beforeAll(async () => {
  world = await encryptedWorld();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const values = {
  secret: 'left-handed',
  amount: 51_234.56,
  openedAt: new Date('1987-06-05T04:03:02.001Z'),
  profile: { city: 'Köln' },
  seal: Buffer.from([0, 0x80, 255]),
  iban: 'DE89 3704',
  city: 'Köln',
};
const cells = {
  secret: vaults.secret,
  amount: vaults.amount,
  openedAt: vaults.openedAt,
  profile: vaults.profile,
  seal: vaults.seal,
  iban: vaults.iban,
  city: vaults.city,
};

it('every type comes back without the id being selected: insert, returning, select, joins, subqueries, relations, update, upsert', async () => {
  const { db } = world.scoped;
  await runAs('alpha', async () => {
    await db.insert(teams).values({ id: 1, name: 'one' });
    expect(
      await db
        .insert(vaults)
        .values({ teamId: 1, ...values })
        .returning(cells),
    ).toEqual([values]);
    const id = randomUUID();
    await db.insert(vaults).values({ id, secret: 'second', iban: 'FR14' });
    expect(await db.select({ secret: vaults.secret, again: vaults.secret }).from(vaults).where(eq(vaults.id, id))).toEqual([
      { secret: 'second', again: 'second' },
    ]);
    const [whole] = await db.select().from(vaults).where(eq(vaults.id, id));
    expect(whole).toMatchObject({ id, secret: 'second', amount: null, token: expect.stringMatching(/^token-/), free: null });

    const other = alias(vaults, 'other');
    expect(
      await db
        .select({ mine: vaults.secret, theirs: other.secret })
        .from(vaults)
        .leftJoin(other, eq(other.id, vaults.id))
        .where(eq(vaults.id, id)),
    ).toEqual([{ mine: 'second', theirs: 'second' }]);
    expect(await db.select({ team: teams.id, secret: vaults.secret }).from(teams).leftJoin(vaults, eq(vaults.teamId, 9))).toEqual([
      { team: 1, secret: null },
    ]);
    const inner = db.select({ secret: vaults.secret, teamId: vaults.teamId }).from(vaults).as('inner_q');
    expect(await db.select({ secret: inner.secret }).from(inner).where(eq(inner.teamId, 1))).toEqual([{ secret: 'left-handed' }]);
    const cte = db.$with('cte').as(db.select({ secret: vaults.secret, teamId: vaults.teamId }).from(vaults));
    expect(await db.with(cte).select({ secret: cte.secret }).from(cte).where(eq(cte.teamId, 1))).toEqual([{ secret: 'left-handed' }]);
    const one = () => db.select({ secret: vaults.secret }).from(vaults).where(eq(vaults.id, id));
    expect(await unionAll(one(), one())).toEqual([{ secret: 'second' }, { secret: 'second' }]);

    expect(await db.query.vaults.findMany({ columns: { secret: true, profile: true }, where: eq(vaults.id, id) })).toEqual([
      { secret: 'second', profile: null },
    ]);
    const [team] = await db.query.teams.findMany({ with: { vaults: { columns: { secret: true, openedAt: true, seal: true } } } });
    expect(team?.vaults).toEqual([{ secret: values.secret, openedAt: values.openedAt, seal: values.seal }]);
    await db.insert(ledgers).values({ id: 9_007_199_254_740_993n, vaultId: id, total: 5 });
    const [ledger] = await db.query.ledgers.findMany({ columns: { total: true }, with: { vault: { columns: { secret: true } } } });
    expect(ledger).toEqual({ total: 5, vault: { secret: 'second' } });

    expect(
      await db
        .update(vaults)
        .set(values)
        .where(and(eq(vaults.id, id), isNotNull(vaults.secret)))
        .returning(cells)
        .catch(String),
    ).toMatch(/unique|23505/);
    const changed = { ...values, iban: 'IT60' };
    expect(
      await db
        .update(vaults)
        .set(changed)
        .where(and(eq(vaults.id, id), isNotNull(vaults.secret)))
        .returning(cells),
    ).toEqual([changed]);
    // What $onUpdate answers is a value as well.
    await expect(async () => await db.update(vaults).set({ secret: null }).where(eq(vaults.teamId, 1))).rejects.toThrow(
      /touched is bound to its row: an update of it must name the row/,
    );
    const upserted = await db
      .insert(vaults)
      .values({ id, secret: 'inserted' })
      .onConflictDoUpdate({ target: vaults.id, set: { secret: 'upserted', iban: 'AT61' } })
      .returning(cells);
    expect(upserted).toEqual([{ ...changed, secret: 'upserted', iban: 'AT61' }]);
    expect(await db.select({ id: vaults.id }).from(vaults).where(eq(vaults.iban, 'at 61'))).toEqual([{ id }]);
    expect(await db.select({ city: vaults.city }).from(vaults).where(eq(vaults.city, 'Köln'))).toEqual([
      { city: 'Köln' },
      { city: 'Köln' },
    ]);
    expect(await db.delete(vaults).where(eq(vaults.id, id)).returning({ secret: vaults.secret })).toEqual([{ secret: 'upserted' }]);
  });
});

it('many rows, one after another and in one statement, from the cache of shapes too', async () => {
  const { db } = world.scoped;
  await runAs('alpha', async () => {
    const ids = Array.from({ length: 12 }, (_, n) => `letter ${n}`);
    await db.insert(letters).values(ids.map((id) => ({ id, body: `of ${id}` })));
    for (let n = 0; n < 6; n += 1) {
      await db.insert(letters).values({ id: `one ${n}`, body: `of one ${n}` });
      await db
        .update(letters)
        .set({ body: `again ${n}` })
        .where(eq(letters.id, `letter ${n}`));
      await db
        .insert(letters)
        .values({ id: `letter ${n + 6}`, body: 'there' })
        .onConflictDoUpdate({ target: letters.id, set: { body: `upserted ${n}` } });
    }
    const read = new Map((await db.select().from(letters)).map(({ id, body }) => [id, body]));
    for (let n = 0; n < 6; n += 1) {
      expect([read.get(`one ${n}`), read.get(`letter ${n}`), read.get(`letter ${n + 6}`)]).toEqual([
        `of one ${n}`,
        `again ${n}`,
        `upserted ${n}`,
      ]);
    }
  });
});

it('prepared statements take placeholders for the id, the value or both', async () => {
  const { db } = world.scoped;
  const { insert, update, upsert } = await runAs('alpha', () => ({
    insert: db
      .insert(vaults)
      .values({ id: sql.placeholder('id'), secret: sql.placeholder('secret'), profile: sql.placeholder('profile'), seal: values.seal })
      .returning({ secret: vaults.secret, profile: vaults.profile, seal: vaults.seal })
      .prepare('insert_vault'),
    update: db
      .update(vaults)
      .set({ secret: sql.placeholder('secret') as never, iban: sql.placeholder('iban') as never, amount: 7 })
      .where(eq(vaults.id, sql.placeholder('id')))
      .returning({ secret: vaults.secret, amount: vaults.amount })
      .prepare('update_vault'),
    upsert: db
      .insert(vaults)
      .values({ id: sql.placeholder('id') })
      .onConflictDoUpdate({ target: vaults.id, set: { secret: sql.placeholder('secret') as never, seal: values.seal } })
      .returning({ secret: vaults.secret, seal: vaults.seal })
      .prepare('upsert_vault'),
  }));
  for (const tenant of ['alpha', 'beta'] as const) {
    await runAs(tenant, async () => {
      const id = randomUUID();
      expect(await insert.execute({ id: id.toUpperCase(), secret: tenant, profile: { city: 'Bonn' } })).toEqual([
        { secret: tenant, profile: { city: 'Bonn' }, seal: values.seal },
      ]);
      expect(await insert.execute({ id: randomUUID(), secret: null, profile: null })).toEqual([
        { secret: null, profile: null, seal: values.seal },
      ]);
      expect(await update.execute({ id, secret: 'updated', iban: `${tenant} 1` })).toEqual([{ secret: 'updated', amount: 7 }]);
      expect(
        await db
          .select({ secret: vaults.secret })
          .from(vaults)
          .where(eq(vaults.iban, `${tenant}1`)),
      ).toEqual([{ secret: 'updated' }]);
      expect(await update.execute({ id, secret: null, iban: null })).toEqual([{ secret: null, amount: 7 }]);
      expect(await upsert.execute({ id, secret: 'upserted' })).toEqual([{ secret: 'upserted', seal: values.seal }]);
      await expect(update.execute({ id: `{${id}}`, secret: 'x', iban: null })).rejects.toThrow(EncryptedColumnError);
      await expect(upsert.execute({ id: 7, secret: 'x' })).rejects.toThrow(EncryptedColumnError);
      await expect(insert.execute({ id: 'no uuid', secret: 'x', profile: null })).rejects.toThrow(EncryptedColumnError);
    });
  }
});

it('CTEs that write, updates from subqueries, loaders and COPY', async () => {
  const { db } = world.scoped;
  const id = randomUUID();
  await runAs('alpha', async () => {
    await db.insert(vaults).values({ id, secret: 'before' });
    const written = db
      .$with('written')
      .as(db.update(vaults).set({ secret: 'after', touched: null }).where(eq(vaults.id, id)).returning({ secret: vaults.secret }));
    expect(await db.with(written).select().from(written)).toEqual([{ secret: 'after' }]);
    const other = db.select({ id: ledgers.id }).from(ledgers).limit(1).as('other_q');
    await db.insert(ledgers).values({ id: 77n, total: 1 });
    expect(
      await db
        .update(vaults)
        .set({ secret: 'from', touched: null })
        .from(other)
        .where(and(eq(vaults.id, id), isNotNull(other.id)))
        .returning({ secret: vaults.secret }),
    ).toEqual([{ secret: 'from' }]);
    const loader = createScopedLoader(async (ids: readonly string[]) => {
      const rows = await db
        .select({ id: vaults.id, secret: vaults.secret })
        .from(vaults)
        .where(inArray(vaults.id, [...ids]));
      return ids.map((one) => rows.find((row) => row.id === one)?.secret);
    });
    expect(await Promise.all([loader.load(id), loader.load(randomUUID())])).toEqual(['from', undefined]);
    // What COPY answers is PostgreSQL's: ciphertext, of a bound column as of any other.
    const chunks: Uint8Array[] = [];
    for await (const chunk of world.scoped.sql`select secret from vaults where id = ${id}`.copyTo()) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toMatch(/^\\xe103/);
  });
});

it('ids count as PostgreSQL writes them, and what it would write otherwise is refused', async () => {
  const { db } = world.scoped;
  await runAs('alpha', async () => {
    const id = randomUUID();
    await db.insert(vaults).values({ id: id.toUpperCase(), secret: 'upper' });
    expect(await db.select({ secret: vaults.secret }).from(vaults).where(eq(vaults.id, id))).toEqual([{ secret: 'upper' }]);
    await db.update(vaults).set({ secret: 'again' }).where(eq(vaults.id, id.toUpperCase()));
    expect(await db.select({ secret: vaults.secret }).from(vaults).where(eq(vaults.id, id))).toEqual([{ secret: 'again' }]);
    const total = { total: ledgers.total };
    for (const big of [0n, -5n, 9_223_372_036_854_775_807n]) {
      expect(await db.insert(ledgers).values({ id: big, total: 1 }).returning(total)).toEqual([{ total: 1 }]);
    }
    expect(
      await db
        .insert(ledgers)
        .values({ id: '42' as never, total: 1 })
        .returning(total),
    ).toEqual([{ total: 1 }]);
    for (const strange of ['042', ' 42', '4e1', '+1', '', 1.5, Number.MAX_SAFE_INTEGER + 1, true, null])
      await expect(
        db
          .insert(ledgers)
          .values({ id: strange as never, total: 1 })
          .returning(total),
        String(strange),
      ).rejects.toThrow(EncryptedColumnError);
    for (const strange of [`{${id}}`, id.replaceAll('-', ''), `${id} `])
      await expect(db.insert(vaults).values({ id: strange, secret: 'x' }), strange).rejects.toThrow(EncryptedColumnError);
    await db.insert(codes).values({ id: 'äöü', body: 'three' });
    expect(await db.select({ body: codes.body }).from(codes)).toEqual([{ body: 'three' }]);
    await expect(db.insert(codes).values({ id: 'abc  ', body: 'cut off' })).rejects.toThrow(EncryptedColumnError);
    for (const none of ['', '\ud800']) await expect(db.insert(letters).values({ id: none, body: 'x' })).rejects.toThrow(/bound to its row/);
  });
});

it('what names no single row is refused, and writes nothing', async () => {
  const { db } = world.scoped;
  await runAs('alpha', async () => {
    const id = randomUUID();
    await db.insert(letters).values([
      { id, body: 'mine' },
      { id: 'another', body: 'other' },
    ]);
    const before = await db.select().from(letters).orderBy(letters.id);
    const update = async (where: SQL | undefined) => await db.update(letters).set({ body: 'x' }).where(where);
    const is = eq(letters.id, id);
    const refused: [string, () => Promise<unknown>][] = [
      ['an update of all', () => update(undefined)],
      ['of several', () => update(inArray(letters.id, [id]))],
      ['of others', () => update(ne(letters.id, id))],
      ['of an alternative', () => update(or(is, eq(letters.id, 'another')))],
      ['of an alternative in SQL', () => update(sql`${is} or true`)],
      ['of an alternative beside it', () => update(and(is, sql`true or true`))],
      ['of an alternative that closes parentheses', () => update(and(is, sql`true) or (true`))],
      ['of what a comment hides', () => update(and(is, sql`true -- `))],
      ['of texts beside each other', () => update(sql`${is}${sql` or true`}`)],
      ['of a negation', () => update(sql`not ${is}`)],
      ['by another column’s value', () => update(eq(letters.id, letters.id))],
      ['by SQL', () => update(sql`${letters.id} = ${id}`.append(sql` or true`))],
      ['by SQL computed', () => update(eq(letters.id, sql`'another'`))],
      ['an update of the id', async () => await db.update(letters).set({ id: 'new' }).where(is)],
      [
        'an upsert of the id',
        async () =>
          await db
            .insert(letters)
            .values({ id })
            .onConflictDoUpdate({ target: letters.id, set: { id: 'new' } }),
      ],
      [
        'an upsert of several rows',
        async () =>
          await db
            .insert(letters)
            .values([{ id }, { id: 'another' }])
            .onConflictDoUpdate({ target: letters.id, set: { body: 'x' } }),
      ],
      [
        'an upsert by another key',
        async () =>
          await db
            .insert(vaults)
            .values({ id: randomUUID(), iban: 'DE89 3704', secret: 'x' })
            .onConflictDoUpdate({ target: vaults.iban, set: { secret: 'x' } }),
      ],
      ['an id that SQL computes', async () => await db.insert(letters).values({ id: sql`gen_random_uuid()`, body: 'x' })],
      ['no id', async () => await db.insert(letters).values({ body: 'x' } as never)],
      ['a value that SQL computes', async () => await db.update(letters).set({ body: sql`body` }).where(is)],
    ];
    for (const [what, attempt] of refused) await expect((async () => await attempt())(), what).rejects.toThrow(EncryptedColumnError);
    expect(await db.select().from(letters).orderBy(letters.id)).toEqual(before);
    // Control: what names the row is taken, with any other condition beside it; NULL, and a row without a value, need none.
    await update(and(and(is, gt(letters.id, '')), or(eq(letters.id, id), sql`true`), sql`(true or false)`));
    expect(await db.select({ body: letters.body }).from(letters).where(is)).toEqual([{ body: 'x' }]);
    await db.update(letters).set({ body: null }).where(ne(letters.id, id));
    expect(await db.select({ body: letters.body }).from(letters).where(isNotNull(letters.body))).toEqual([{ body: 'x' }]);
  });
});

describe('a bound column that is read or written through an alias or a subquery', () => {
  const mine = randomUUID();
  const theirs = randomUUID();
  const seeded = (run: (db: EncryptedWorld['scoped']['db']) => Promise<void>) => () =>
    runAs('alpha', async () => {
      const { db } = world.scoped;
      await db.delete(vaults);
      await db.delete(teams);
      await db.insert(teams).values({ id: 1, name: 'one' });
      await db.insert(vaults).values([
        { id: mine, teamId: 1, secret: 'mine' },
        { id: theirs, teamId: 1, secret: 'theirs' },
      ]);
      await run(db);
    });

  it(
    'is bound to the row of the alias that is updated, and not to another row that the condition names',
    seeded(async (db) => {
      const other = alias(vaults, 'other');
      // The condition names the row that is read; its whole team is written.
      const wrong = () =>
        db
          .update(other)
          .set({ secret: 'new', touched: null })
          .from(vaults)
          .where(and(eq(vaults.id, mine), eq(vaults.teamId, other.teamId)));
      await expect((async () => await wrong())()).rejects.toThrow(/other.secret is bound to its row: an update of it must name the row/);
      await db.update(other).set({ secret: 'new', touched: null }).where(eq(other.id, mine));
      const secrets = await db.select({ id: vaults.id, secret: vaults.secret }).from(vaults);
      expect(new Map(secrets.map(({ id, secret }) => [id, secret]))).toEqual(
        new Map([
          [mine, 'new'],
          [theirs, 'theirs'],
        ]),
      );
    }),
  );

  it(
    'opens in returning of an update that reads from a subquery, and is tested for null in a field of one',
    seeded(async (db) => {
      const inner = db
        .select({ id: vaults.id, secret: vaults.secret, teamId: vaults.teamId })
        .from(vaults)
        .where(eq(vaults.id, mine))
        .as('inner');
      expect(
        await db.update(teams).set({ name: 'new' }).from(inner).where(eq(teams.id, inner.teamId)).returning({ secret: inner.secret }),
      ).toEqual([{ secret: 'mine' }]);
      const bare = db.select({ secret: vaults.secret }).from(vaults).where(eq(vaults.id, mine)).as('bare');
      const missing = sql<boolean>`${bare.secret} is null`;
      expect(await db.select({ missing, id: teams.id }).from(bare).innerJoin(teams, eq(teams.id, 1))).toEqual([{ missing: false, id: 1 }]);
    }),
  );

  it(
    'opens from a CTE that writes its table and has its name',
    seeded(async (db) => {
      const id = randomUUID();
      const inserted = db
        .$with('vaults')
        .as(db.insert(vaults).values({ id, teamId: 1, secret: 'inserted' }).returning({ id: vaults.id, secret: vaults.secret }));
      expect(await db.with(inserted).select({ secret: inserted.secret }).from(inserted)).toEqual([{ secret: 'inserted' }]);
      const deleted = db
        .$with('vaults')
        .as(db.delete(vaults).where(eq(vaults.id, id)).returning({ secret: vaults.secret, teamId: vaults.teamId }));
      expect(
        await db
          .with(deleted)
          .update(teams)
          .set({ name: 'new' })
          .from(deleted)
          .where(eq(teams.id, deleted.teamId))
          .returning({ secret: deleted.secret }),
      ).toEqual([{ secret: 'inserted' }]);
    }),
  );
});
