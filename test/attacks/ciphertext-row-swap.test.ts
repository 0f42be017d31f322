import { randomUUID } from 'node:crypto';
import { eq, inArray, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decryptValue } from '../../src/crypto/column-codec.ts';
import { boundRead } from '../../src/database/bound-read.ts';
import { tenantView } from '../../src/database/tenant-view.ts';
import { EncryptedColumnError } from '../../src/errors.ts';
import { ledgers, letters, teams, vaults } from '../integration/database/encrypted-schema.ts';
import { type EncryptedWorld, encryptedWorld } from '../integration/database/encrypted-world.ts';
import { runAs } from '../support/direct-route.ts';

// The attacker writes to the tables past the library, as a superuser: any bytes into any row of the tenant.
let world: EncryptedWorld;
beforeAll(async () => {
  world = await encryptedWorld();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const mine = randomUUID();
const theirs = randomUUID();
beforeEach(seed);

async function seed(): Promise<void> {
  for (const table of ['teams', 'vaults', 'letters', 'ledgers']) await world.admin.unsafe(`delete from pool.${table}`);
  await runAs('alpha', async () => {
    const { db } = world.scoped;
    await db.insert(teams).values({ id: 1, name: 'one' });
    await db.insert(vaults).values([
      { id: mine, teamId: 1, secret: 'mine', amount: 1, free: 'mine' },
      { id: theirs, teamId: 1, secret: 'theirs', amount: 1_000_000, free: 'theirs' },
    ]);
  });
}

/** Exchanges what two rows have in a column. */
async function swap(table: string, column: string, one: string, other: string): Promise<void> {
  await world.admin.unsafe(
    `update pool.${table} a set ${column} = b.${column} from pool.${table} b
    where a.tenant_id = 'alpha' and b.tenant_id = 'alpha' and ((a.id = $1 and b.id = $2) or (a.id = $2 and b.id = $1))`,
    [one, other],
  );
}

async function refusesAudited(read: () => PromiseLike<unknown>): Promise<void> {
  const before = world.sink.events.length;
  await expect(runAs('alpha', read)).rejects.toMatchObject({ code: 'DECRYPTION', auditId: expect.any(String) });
  expect(world.sink.events.slice(before)).toMatchObject([
    { action: 'key', outcome: 'refused', tenantId: 'alpha', errorCode: 'DECRYPTION' },
  ]);
}

describe('two rows’ ciphertexts, exchanged', () => {
  const ways: Record<string, (column: 'secret' | 'free') => PromiseLike<readonly unknown[]>> = {
    'a select': (column) => world.scoped.db.select({ value: vaults[column] }).from(vaults).where(eq(vaults.id, mine)),
    'a select of an alias': (column) => {
      const other = alias(vaults, 'other');
      return world.scoped.db.select({ value: other[column] }).from(other).where(eq(other.id, mine));
    },
    'a join of the two rows': (column) => {
      const other = alias(vaults, 'other');
      return world.scoped.db
        .select({ value: vaults[column] })
        .from(vaults)
        .innerJoin(other, eq(other.id, theirs))
        .where(eq(vaults.id, mine));
    },
    'a left join': (column) => world.scoped.db.select({ value: vaults[column] }).from(teams).leftJoin(vaults, eq(vaults.id, mine)),
    'a full join': (column) =>
      world.scoped.db
        .select({ value: vaults[column] })
        .from(teams)
        .fullJoin(vaults, eq(vaults.teamId, teams.id))
        .where(eq(vaults.id, mine)),
    'a subquery that takes the other row’s id along': (column) => {
      const { db } = world.scoped;
      const inner = db.select({ id: vaults.id, value: vaults[column] }).from(vaults).where(eq(vaults.id, mine)).as('vaults_of_mine');
      return db.select({ value: inner.value }).from(inner).innerJoin(vaults, eq(vaults.id, theirs));
    },
    'a CTE': (column) => {
      const { db } = world.scoped;
      const cte = db.$with('cte').as(db.select({ value: vaults[column] }).from(vaults).where(eq(vaults.id, mine)));
      return db.with(cte).select().from(cte);
    },
    'a union': (column) => {
      const one = () => world.scoped.db.select({ value: vaults[column] }).from(vaults).where(eq(vaults.id, mine));
      return one().unionAll(one()).limit(1);
    },
    'returning of an update': (column) =>
      world.scoped.db.update(vaults).set({ teamId: 2, touched: null }).where(eq(vaults.id, mine)).returning({ value: vaults[column] }),
    'returning of a delete': (column) => world.scoped.db.delete(vaults).where(eq(vaults.id, mine)).returning({ value: vaults[column] }),
    'a prepared statement': (column) =>
      world.scoped.db
        .select({ value: vaults[column] })
        .from(vaults)
        .where(eq(vaults.id, sql.placeholder('id')))
        .prepare(`swap_${column}`)
        .execute({ id: mine }),
    'a relational query': async (column) => {
      const rows = await world.scoped.db.query.vaults.findMany({ columns: { [column]: true } as never, where: eq(vaults.id, mine) });
      return rows.map((row) => ({ value: (row as Record<string, unknown>)[column] }));
    },
    'a nested relational query': async (column) => {
      const [team] = await world.scoped.db.query.teams.findMany({ with: { vaults: { where: eq(vaults.id, mine) } } });
      return [{ value: team!.vaults[0]![column] }];
    },
  };
  for (const [way, read] of Object.entries(ways)) {
    it(`open nowhere by ${way}; those of a column that is not bound do`, async () => {
      expect(await runAs('alpha', () => read('secret'))).toEqual([{ value: 'mine' }]);
      await seed();
      // Positive control: without the binding the exchange succeeds.
      await swap('vaults', 'free', mine, theirs);
      expect(await runAs('alpha', () => read('free'))).toEqual([{ value: 'theirs' }]);
      await seed();
      await swap('vaults', 'secret', mine, theirs);
      await refusesAudited(() => read('secret'));
    });
  }

  it('open for their own rows again when they are back', async () => {
    await swap('vaults', 'amount', mine, theirs);
    const amounts = () => world.scoped.db.select({ amount: vaults.amount }).from(vaults).orderBy(vaults.id);
    await refusesAudited(amounts);
    await swap('vaults', 'amount', mine, theirs);
    expect((await runAs('alpha', amounts)).map(({ amount }) => amount).sort()).toEqual([1, 1_000_000]);
  });

  it('open nowhere when a row gets another’s id instead', async () => {
    await world.admin.unsafe(`delete from pool.vaults where id = '${theirs}'`);
    await world.admin.unsafe(`update pool.vaults set id = '${theirs}' where id = '${mine}'`);
    const read = (column: 'secret' | 'free') => world.scoped.db.select({ value: vaults[column] }).from(vaults).where(eq(vaults.id, theirs));
    expect(await runAs('alpha', () => read('free'))).toEqual([{ value: 'mine' }]);
    await refusesAudited(() => read('secret'));
  });
});

describe('an id that looks like what stands around it', () => {
  /** `length`, an id and a ciphertext in one: whoever misread the border would take the inner id for the row's. */
  const inside = (id: string, ciphertext: Buffer) => {
    const bytes = Buffer.from(id);
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.byteLength);
    return Buffer.concat([length, bytes, ciphertext]);
  };

  it('does not move the border: a whole read in the place of a ciphertext does not open', async () => {
    const { db } = world.scoped;
    await runAs('alpha', () =>
      db.insert(letters).values([
        { id: 'victim', body: 'secret' },
        { id: 'attacker', body: 'x' },
      ]),
    );
    const [row] = await world.admin.unsafe(`select body from pool.letters where id = 'victim'`);
    const read = inside('victim', row!['body'] as Buffer);
    // Positive control: read as such, without what PostgreSQL puts before it, it would open.
    const { rowId, stored } = boundRead(read);
    expect(decryptValue(world.keys.cached('alpha')!, { table: 'letters', column: 'body', rowId }, stored).toString()).toBe('secret');
    await world.admin.unsafe(`update pool.letters set body = $1 where id = 'attacker'`, [read]);
    await refusesAudited(() => db.select({ body: letters.body }).from(letters).where(eq(letters.id, 'attacker')));
    // Raw SQL would hand it on as it is stored.
    const raw = () => {
      const cte = db.$with('cte', { body: letters.body }).as(sql`select * from ${letters} where id = 'attacker'`);
      return db.with(cte).select({ body: cte.body }).from(cte);
    };
    await expect(async () => await runAs('alpha', raw)).rejects.toThrow(
      /letters.body is encrypted and can't be read from raw SQL, where the columns beside it are missing/,
    );
    const where = eq(letters.id, 'attacker');
    const mapped: (() => PromiseLike<unknown>)[] = [
      () =>
        db
          .select({ body: sql`body`.mapWith(letters.body) })
          .from(letters)
          .where(where),
      () =>
        db
          .select({ body: sql`letters.body`.mapWith(letters.body).as('mapped') })
          .from(letters)
          .innerJoin(teams, eq(teams.id, 1))
          .where(where),
      () =>
        db
          .delete(letters)
          .where(where)
          .returning({ body: sql`body`.mapWith(letters.body) }),
    ];
    const united = [sql<string>`body`, vaults.free].map((other) => () => {
      const rest = db.select({ body: other }).from(letters).leftJoin(vaults, eq(vaults.id, mine)).where(where);
      return db
        .select({ body: letters.body })
        .from(letters)
        .unionAll(rest as never);
    });
    for (const read of united)
      await expect(async () => await runAs('alpha', read)).rejects.toThrow(
        /letters.body is encrypted and can't be united with anything else/,
      );
    // Whether or not the shape of the statement was met with another column's mapping.
    for (let turn = 0; turn < 3; turn += 1)
      await runAs('alpha', () =>
        db
          .select({ body: sql`body`.mapWith(String) })
          .from(letters)
          .where(where),
      );
    for (const read of mapped)
      await expect(async () => await runAs('alpha', read)).rejects.toThrow(/letters.body is encrypted and can't be mapped/);
  });

  it('is an id like any other', async () => {
    const { db } = world.scoped;
    const ids = [
      '1',
      '01',
      ' 1',
      '1 ',
      '\u0001',
      '\u0001\u0001\u0001\u00041234',
      'ä',
      'a\u0308',
      'é1',
      '🜁',
      '\\x0000',
      "'",
      '"',
      '1\n',
      'A',
      'a',
    ];
    await runAs('alpha', async () => {
      await db.insert(letters).values(ids.map((id) => ({ id, body: `of ${id}` })));
      for (const id of ids)
        expect(await db.select({ body: letters.body }).from(letters).where(eq(letters.id, id))).toEqual([{ body: `of ${id}` }]);
    });
    // None of them is another.
    for (const [one, other] of [
      ['1', '01'],
      ['1', ' 1'],
      ['1', '1 '],
      ['ä', 'a\u0308'],
      ['A', 'a'],
      ['1', '\u0001'],
    ] as const) {
      await swap('letters', 'body', one, other);
      await refusesAudited(() => db.select({ body: letters.body }).from(letters).where(eq(letters.id, one)));
      await swap('letters', 'body', one, other);
    }
    expect(await runAs('alpha', () => db.$count(letters))).toBe(ids.length);
  });

  it('is one number only, however large', async () => {
    const { db } = world.scoped;
    const ids = [9_007_199_254_740_992n, 9_007_199_254_740_993n];
    await runAs('alpha', () => db.insert(ledgers).values(ids.map((id, n) => ({ id, total: n }))));
    const read = () => db.select({ total: ledgers.total }).from(ledgers).where(inArray(ledgers.id, ids)).orderBy(ledgers.id);
    expect(await runAs('alpha', read)).toEqual([{ total: 0 }, { total: 1 }]);
    await swap('ledgers', 'total', String(ids[0]), String(ids[1]));
    await refusesAudited(read);
  });

  it('of an upper-case UUID is the lower-case one’s', async () => {
    const { db } = world.scoped;
    const id = randomUUID();
    await runAs('alpha', () => db.insert(vaults).values({ id: id.toUpperCase(), secret: 'upper' }));
    const read = () => db.select({ secret: vaults.secret }).from(vaults).where(eq(vaults.id, id));
    expect(await runAs('alpha', read)).toEqual([{ secret: 'upper' }]);
    await swap('vaults', 'secret', id, mine);
    await refusesAudited(read);
  });
});

describe('a bound column', () => {
  it('takes no value of an unbound one, nor gives one', async () => {
    const { db } = world.scoped;
    await world.admin.unsafe(`update pool.vaults set secret = free where id = '${mine}'`);
    await refusesAudited(() => db.select({ secret: vaults.secret }).from(vaults).where(eq(vaults.id, mine)));
    await world.admin.unsafe(`update pool.vaults set free = secret where id = '${theirs}'`);
    await refusesAudited(() => db.select({ free: vaults.free }).from(vaults).where(eq(vaults.id, theirs)));
  });

  it('is read through no view, where somebody else says what the id is', async () => {
    const { db } = world.scoped;
    const swapped = tenantView('swapped').as((qb) => qb.select().from(letters));
    const read = () => db.select({ body: swapped.body }).from(swapped);
    await expect(async () => await runAs('alpha', read)).rejects.toThrow(
      /letters.body is encrypted and can't be read through a view, where the columns beside it are missing/,
    );
    const inSql = () => db.select({ value: sql`${vaults.secret}` }).from(vaults);
    await expect(async () => await runAs('alpha', inSql)).rejects.toThrow(EncryptedColumnError);
  });

  it('is not moved by an update that names another row than it reaches', async () => {
    const { db } = world.scoped;
    // The condition names mine; joined, it reaches theirs as well, if it were not for the name.
    await runAs('alpha', () => db.update(vaults).set({ secret: 'new', touched: null }).from(teams).where(eq(vaults.id, mine)));
    expect(await runAs('alpha', () => db.select({ secret: vaults.secret }).from(vaults).where(eq(vaults.id, theirs)))).toEqual([
      { secret: 'theirs' },
    ]);
    expect(await runAs('alpha', () => db.select({ secret: vaults.secret }).from(vaults).where(eq(vaults.id, mine)))).toEqual([
      { secret: 'new' },
    ]);
  });
});
