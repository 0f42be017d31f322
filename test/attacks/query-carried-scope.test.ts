import { count, eq, exists, sql } from 'drizzle-orm';
import { pgSchema, text } from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NoTenantError, TransactionOverError, WrongTenantError } from '../../src/errors.ts';
import { archive, orders, products } from '../integration/database/sample-schema.ts';
import { type SampleWorld, type StockDatabase, sampleWorld } from '../integration/database/sample-world.ts';
import { runAs } from '../support/direct-route.ts';
import { createLaneDatabase, type LaneDatabase } from '../support/lane-database.ts';

let world: SampleWorld;
let stock: StockDatabase;
beforeAll(async () => {
  world = await sampleWorld();
  stock = await world.stockOn('pool');
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});
beforeEach(() => {
  world.sink.events.length = 0;
});

type Carried = (world: SampleWorld) => PromiseLike<unknown>;

/** What can be made in one place and awaited in another. */
const carried: Record<string, Carried> = {
  select: ({ scoped }) => scoped.db.select().from(products),
  'relational query': ({ scoped }) => scoped.db.query.products.findMany(),
  insert: ({ scoped }) => scoped.db.insert(archive).values({ id: 700, sku: 'x', owner: 'x' }),
  update: ({ scoped }) => scoped.db.update(products).set({ price: 0 }).where(eq(products.id, 99)),
  delete: ({ scoped }) => scoped.db.delete(products).where(eq(products.id, 99)),
  $count: ({ scoped }) => scoped.db.$count(products),
  execute: ({ scoped }) => scoped.db.execute('select * from products'),
  'tenancy.sql': ({ scoped }) => scoped.sql`select * from products`,
  union: ({ scoped }) =>
    scoped.db
      .select({ id: products.id })
      .from(products)
      .unionAll(scoped.db.select({ id: orders.id }).from(orders)),
  'execute()': ({ scoped }) => {
    const query = scoped.db.select().from(products);
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is carried
    return { then: (...settle) => query.execute().then(...settle) } as PromiseLike<unknown>;
  },
};

describe('a query carried out of its scope', () => {
  for (const [name, make] of Object.entries(carried)) {
    it(`${name}: control, it runs in its own scope`, async () => {
      await expect(runAs('alpha', () => make(world))).resolves.toBeDefined();
      await world.admin.unsafe('delete from pool.archive where id = 700');
      expect(world.sink.events).toEqual([]);
    });

    it(`${name}: another tenant's scope`, async () => {
      const box = await runAs('alpha', () => ({ query: make(world) }));
      const sent = world.pool.sent.length;
      const error = await runAs('beta', () => box.query).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(WrongTenantError);
      expect(error).toMatchObject({ tenantId: 'alpha', currentTenantId: 'beta', auditId: world.sink.events[0]!.id });
      expect(world.sink.events).toMatchObject([
        { action: 'scope.wrong-tenant', tenantId: 'beta', targetTenantId: 'alpha', outcome: 'refused' },
      ]);
      expect(world.pool.sent.length).toBe(sent);
    });

    it(`${name}: outside any scope`, async () => {
      const box = await runAs('alpha', () => ({ query: make(world) }));
      await expect(Promise.resolve().then(() => box.query)).rejects.toBeInstanceOf(NoTenantError);
      expect(world.sink.events).toMatchObject([{ action: 'scope.none', tenantId: 'alpha', outcome: 'refused' }]);
    });

    it(`${name}: made outside any scope`, async () => {
      const query = make(world);
      await expect(Promise.resolve().then(() => query)).rejects.toBeInstanceOf(NoTenantError);
      await expect(runAs('alpha', () => query)).rejects.toBeInstanceOf(NoTenantError);
    });
  }

  it('work that outlives its scope is refused', async () => {
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { late } = await runAs('alpha', () => ({ late: gate.then(() => world.scoped.db.select().from(products)) }));
    release();
    await expect(late).rejects.toBeInstanceOf(WrongTenantError);
  });

  it('a thenable that run’s callback returns is awaited inside', async () => {
    expect(await runAs('alpha', () => world.scoped.db.select({ owner: products.owner }).from(products))).toEqual(
      Array(3).fill({ owner: 'alpha' }),
    );
  });

  it('interleaved scopes each see their own rows', async () => {
    const work = Array.from({ length: 60 }, (_, i) => world.tenants[i % 3]!).map((tenant) =>
      runAs(tenant, async () => {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
        const rows = await world.scoped.db.select({ owner: products.owner }).from(products);
        expect(new Set(rows.map(({ owner }) => owner))).toEqual(new Set([tenant]));
      }),
    );
    await Promise.all(work);
  });
});

describe('without the scope in the query', () => {
  // A session setting at the entry and stock drizzle: whose a query is, is decided when it runs.
  let database: LaneDatabase;
  let client: postgres.Sql;
  const names = pgSchema('app').table('products', { tenantId: text('tenant_id').notNull(), name: text('name').notNull() });
  const enter = async <T>(tenantId: string, callback: () => T): Promise<Awaited<T>> => {
    await client`select set_config('tenancy.context', ${tenantId}, false)`;
    return await callback();
  };
  beforeAll(async () => {
    database = await createLaneDatabase();
    await database.admin`insert into app.products (tenant_id, name) values ('a', 'of a'), ('b', 'of b')`;
    client = postgres(database.url, { max: 1, fetch_types: false });
  });
  afterAll(async () => {
    await client.end();
    await database[Symbol.asyncDispose]();
  });

  it('control: what A made and B awaits answers B’s rows, a builder as well as the driver’s own query', async () => {
    const db = drizzle(client);
    const box = await enter('a', () => ({
      builder: db.select({ name: names.name }).from(names),
      query: client`select name from app.products`,
    }));
    expect(await enter('b', () => Promise.all([box.builder, box.query]))).toEqual([[{ name: 'of b' }], [{ name: 'of b' }]]);
  });

  it('control: a thenable that the callback returns, awaited outside, runs as whoever came last', async () => {
    const db = drizzle(client);
    const box = await enter('a', () => [db.select({ name: names.name }).from(names)] as const);
    await enter('b', () => undefined);
    expect(await box[0]).toEqual([{ name: 'of b' }]);
  });

  it('control: the base database inside a transaction’s callback is outside of the transaction', async () => {
    const two = postgres(database.url, { max: 2, fetch_types: false, connection: { 'tenancy.context': 'a' } as never });
    const db = drizzle(two);
    await expect(
      db.transaction(async (tx) => {
        await db.insert(names).values({ tenantId: 'a', name: 'escaped' });
        tx.rollback();
      }),
    ).rejects.toThrow('Rollback');
    expect(await db.select({ name: names.name }).from(names).where(eq(names.name, 'escaped'))).toHaveLength(1);
    await two.end();
  });
});

describe('prepared queries', () => {
  it('run as whoever executes them, with that tenant’s predicate', async () => {
    // Control: a prepared query of stock drizzle knows no tenant.
    expect(await stock.select().from(products).prepare('p').execute()).toHaveLength(10);
    const prepared = world.scoped.db
      .select({ owner: products.owner })
      .from(products)
      .where(eq(products.sku, sql.placeholder('sku')))
      .prepare('p');
    const underAlpha = await runAs('alpha', () => ({
      prepared: world.scoped.db
        .select({ owner: products.owner })
        .from(products)
        .where(eq(products.sku, sql.placeholder('sku')))
        .prepare('q'),
    }));
    for (const tenant of world.tenants) {
      expect(await runAs(tenant, () => prepared.execute({ sku: 'apple' }))).toEqual([{ owner: tenant }]);
      expect(await runAs(tenant, () => underAlpha.prepared.execute({ sku: 'apple' }))).toEqual([{ owner: tenant }]);
    }
    await expect(prepared.execute({ sku: 'apple' })).rejects.toBeInstanceOf(NoTenantError);
    await expect(runAs('alpha', () => prepared.execute({}))).rejects.toMatchObject({ code: 'CONFIGURATION' });
  });

  it('a subquery made under one tenant is the executing tenant’s in another’s query', async () => {
    const { q } = await runAs('alpha', () => ({ q: world.scoped.db.select({ owner: products.owner }).from(products).as('q') }));
    expect(await runAs('beta', () => world.scoped.db.select({ owner: q.owner, n: count() }).from(q).groupBy(q.owner))).toEqual([
      { owner: 'beta', n: 3 },
    ]);
    const { builder } = await runAs('alpha', () => ({
      builder: world.scoped.db.select().from(products).where(eq(products.sku, 'only-c')),
    }));
    expect(await runAs('beta', () => world.scoped.db.select().from(archive).where(exists(builder)))).toEqual([]);
    expect(await runAs('gamma', () => world.scoped.db.select().from(archive).where(exists(builder)))).toHaveLength(2);
  });
});

describe('transactions', () => {
  it('tenancy.db inside the callback joins, and rolls back with it', async () => {
    const { db, sql: raw } = world.scoped;
    await expect(
      runAs('alpha', () =>
        db.transaction(async (tx) => {
          await tx.insert(archive).values({ id: 800, sku: 'x', owner: 'x' });
          await db.insert(archive).values({ id: 801, sku: 'x', owner: 'x' });
          await raw`insert into archive (tenant_id, id, sku, owner) values ('alpha', 802, 'x', 'x')`;
          expect(await db.$count(archive, sql`id >= 800`)).toBe(3);
          tx.rollback();
        }),
      ),
    ).rejects.toThrow('Rollback');
    expect(await runAs('alpha', () => db.$count(archive, sql`id >= 800`))).toBe(0);
    // Control: on the outside the same insert commits by itself.
    await runAs('alpha', () => db.insert(archive).values({ id: 801, sku: 'x', owner: 'x' }));
    expect(await runAs('alpha', () => db.$count(archive, sql`id >= 800`))).toBe(1);
    await runAs('alpha', () => db.delete(archive).where(eq(archive.id, 801)));
  });

  it('what was prepared or made before joins the transaction in which it is awaited', async () => {
    const { db } = world.scoped;
    const prepared = db
      .insert(archive)
      .values({ id: sql.placeholder('id'), sku: 'x', owner: 'x' })
      .prepare('early');
    await runAs('alpha', async () => {
      const early = db.insert(archive).values({ id: 806, sku: 'x', owner: 'x' });
      await expect(
        db.transaction(async (tx) => {
          await prepared.execute({ id: 805 });
          await early;
          expect(await tx.$count(archive, sql`id >= 800`)).toBe(2);
          tx.rollback();
        }),
      ).rejects.toThrow('Rollback');
      expect(await db.$count(archive, sql`id >= 800`)).toBe(0);
    });
  });

  it('nested ones are savepoints', async () => {
    const { db } = world.scoped;
    await runAs('alpha', () =>
      db.transaction(
        async (tx) => {
          await tx.insert(archive).values({ id: 810, sku: 'x', owner: 'x' });
          await db
            .transaction(async (inner) => {
              await inner.insert(archive).values({ id: 811, sku: 'x', owner: 'x' });
              inner.rollback();
            })
            .catch(() => {});
          await tx.transaction(async (inner) => {
            await inner.insert(archive).values({ id: 812, sku: 'x', owner: 'x' });
          });
          await expect(db.transaction(async () => {}, { isolationLevel: 'serializable' })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
        },
        { isolationLevel: 'repeatable read', accessMode: 'read write' },
      ),
    );
    const rows = await runAs('alpha', () => db.delete(archive).where(sql`id >= 800`).returning({ id: archive.id }));
    expect(rows.map(({ id }) => id).sort()).toEqual([810, 812]);
  });

  it('used after its end, and a builder made in it', async () => {
    const { db } = world.scoped;
    await runAs('alpha', async () => {
      let leaked: Parameters<Parameters<typeof db.transaction>[0]>[0] | undefined;
      const box = await db.transaction(async (tx) => {
        leaked = tx;
        await tx.select().from(products);
        return { query: db.delete(archive), nested: await tx.transaction(async (inner) => ({ inner })) };
      });
      await expect(leaked!.select().from(products)).rejects.toBeInstanceOf(TransactionOverError);
      await expect(leaked!.transaction(async () => {})).rejects.toBeInstanceOf(TransactionOverError);
      await expect(box.query).rejects.toBeInstanceOf(TransactionOverError);
      await expect(box.nested.inner.select().from(products)).rejects.toBeInstanceOf(TransactionOverError);
    });
  });

  it('a savepoint’s object is over when the savepoint is', async () => {
    const { db } = world.scoped;
    await runAs('alpha', () =>
      db.transaction(async (tx) => {
        const { inner } = await tx.transaction(async (nested) => ({ inner: nested }));
        await expect(inner.select().from(products)).rejects.toBeInstanceOf(TransactionOverError);
        expect(await tx.select().from(products)).toHaveLength(3);
      }),
    );
  });

  it('work that outlives the callback does not slip out of the transaction', async () => {
    const { db } = world.scoped;
    await runAs('alpha', async () => {
      let release: () => void = () => {};
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      const { late } = await db.transaction(async () => ({ late: gate.then(() => db.delete(archive)) }));
      release();
      await expect(late).rejects.toBeInstanceOf(TransactionOverError);
    });
  });

  it('another tenant’s scope inside the callback has nothing of it', async () => {
    const { db } = world.scoped;
    await runAs('alpha', () =>
      db.transaction(async (tx) => {
        await tx.select().from(products);
        const carriedTx = runAs('beta', () => tx.select().from(products));
        await expect(carriedTx).rejects.toBeInstanceOf(WrongTenantError);
      }),
    );
    expect(world.sink.events).toMatchObject([{ action: 'scope.wrong-tenant', tenantId: 'beta', targetTenantId: 'alpha' }]);
    const seen: string[] = [];
    await runAs('alpha', () =>
      db.transaction(async (tx) => {
        await tx.select().from(products);
        // Beta's statement waits for a lane of its own: it must not run in alpha's transaction.
        void runAs('beta', () => db.select({ owner: products.owner }).from(products)).then((rows) =>
          seen.push(...rows.map(({ owner }) => owner)),
        );
      }),
    );
    await runAs('beta', () => db.select().from(products));
    expect(new Set(seen)).toEqual(new Set(['beta']));
    expect(world.pool.sent.filter(({ tenantId, transaction }) => tenantId === 'beta' && transaction)).toEqual([]);
  });

  it('a transaction outside any scope', async () => {
    await expect(world.scoped.db.transaction(async () => {})).rejects.toBeInstanceOf(NoTenantError);
  });
});
