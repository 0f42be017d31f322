import { eq, exists, inArray, sql } from 'drizzle-orm';
import { alias, QueryBuilder } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UnscopedQueryError } from '../../src/errors.ts';
import { archive, orders, products } from '../integration/database/sample-schema.ts';
import { type SampleWorld, type StockDatabase, sampleWorld } from '../integration/database/sample-world.ts';
import { runAs } from '../support/direct-route.ts';

let world: SampleWorld;
let stock: StockDatabase;
beforeAll(async () => {
  world = await sampleWorld();
  stock = await world.stockOn('pool');
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

type Attack = (db: StockDatabase) => PromiseLike<unknown>;

const parents = alias(orders, 'parents');
const standalone = new QueryBuilder();

/**
 * Ways around a dialect that only rewrites selects. Beta asks; `only-c` and the owner's name give other tenants' rows away. There is no
 * row-level security here.
 */
const attacks: Record<string, Attack> = {
  $count: (db) => db.$count(products).then((n) => Array(n).fill('row')),
  '$count with an OR': (db) => db.$count(products, sql`false or true`).then((n) => Array(n).fill('row')),
  'an embedded $count': (db) =>
    db
      .select({ n: db.$count(products) })
      .from(orders)
      .where(eq(orders.id, 1)),
  'a right join': (db) => db.select({ owner: products.owner }).from(orders).rightJoin(products, eq(orders.productId, products.id)),
  'a full join': (db) =>
    db.select({ owner: products.owner, other: orders.owner }).from(orders).fullJoin(products, eq(orders.productId, products.id)),
  'a full join after a left one': (db) =>
    db.select({ owner: products.owner, a: archive.owner }).from(orders).leftJoin(archive, sql`true`).fullJoin(products, sql`false`),
  'a join on true': (db) => db.select({ owner: products.owner }).from(orders).innerJoin(products, sql`true`),
  'an aliased self join': (db) => db.select({ owner: parents.owner }).from(orders).innerJoin(parents, eq(orders.parentId, parents.id)),
  'a standalone builder in a where': (db) =>
    db
      .select({ id: orders.id, sku: sql`'x'` })
      .from(orders)
      .where(exists(standalone.select().from(products).where(eq(products.sku, 'only-c')))),
  'a standalone builder with a join in a list': (db) =>
    db
      .select({ id: archive.id })
      .from(archive)
      .where(inArray(sql`4`, standalone.select({ id: products.id }).from(parents).rightJoin(products, sql`true`))),
  'a standalone builder in a union': (db) =>
    db
      .select({ owner: orders.owner })
      .from(orders)
      .unionAll(standalone.select({ owner: products.owner }).from(products) as never),
  'insert select by callback': (db) =>
    db
      .insert(archive)
      .select((qb) =>
        qb
          .select({
            tenantId: products.tenantId,
            id: sql<number>`${products.price} + 1000`.as('id'),
            sku: products.sku,
            owner: products.owner,
          })
          .from(products),
      )
      .returning({ owner: archive.owner }),
  'update from': (db) =>
    db.update(archive).set({ owner: products.owner }).from(products).where(eq(products.sku, 'only-c')).returning({ owner: archive.owner }),
  'update with a right join': (db) =>
    db
      .update(archive)
      .set({ owner: sql`${products.owner}` })
      .from(orders)
      .rightJoin(products, sql`${products.sku} = 'only-c'`)
      .returning({ owner: archive.owner }),
  'a CTE that writes': (db) => {
    const gone = db.$with('gone').as(db.delete(archive).returning({ owner: archive.owner }));
    return db.with(gone).select().from(gone);
  },
  'a lateral join': (db) => {
    const q = db.select({ owner: products.owner }).from(products).where(eq(products.sku, 'only-c')).as('q');
    return db.select({ owner: q.owner }).from(orders).innerJoinLateral(q, sql`true`);
  },
};

describe('ways around the dialect', () => {
  for (const [name, attack] of Object.entries(attacks)) {
    it(name, async () => {
      const undo = new Error('undo');
      let everybody: unknown;
      await stock
        .transaction(async (tx) => {
          everybody = await attack(tx as never);
          throw undo;
        })
        .catch((error: unknown) => {
          if (error !== undo) throw error;
        });
      let mine: unknown;
      await runAs('beta', () =>
        world.scoped.db.transaction(async (tx) => {
          mine = await attack(tx as never);
          throw undo;
        }),
      ).catch((error: unknown) => {
        if (error !== undo) throw error;
      });
      // Control: stock drizzle shows more than beta's; ours shows nothing of the others.
      expect(JSON.stringify(everybody).length).toBeGreaterThan(JSON.stringify(mine).length);
      expect(JSON.stringify(mine)).not.toMatch(/alpha|gamma|only-c/);
      if (name.startsWith('$count')) expect(mine).toHaveLength(3);
      if (name === 'an embedded $count') expect(mine).toEqual([{ n: 3 }]);
      if (name.startsWith('a standalone builder') && !name.endsWith('union')) expect(mine).toEqual([]);
    });
  }

  it('a subquery or CTE of a standalone builder is refused', async () => {
    const q = standalone.select({ owner: products.owner }).from(products).as('q');
    expect(await stock.select().from(q)).toHaveLength(10);
    await expect(runAs('beta', async () => await world.scoped.db.select().from(q))).rejects.toBeInstanceOf(UnscopedQueryError);
    const cte = standalone.$with('c').as(standalone.select({ owner: products.owner }).from(products));
    expect(await stock.with(cte).select().from(cte)).toHaveLength(10);
    await expect(runAs('beta', async () => await world.scoped.db.with(cte).select().from(cte))).rejects.toBeInstanceOf(UnscopedQueryError);
  });

  it('a stock database’s builder in a scoped query is built again, and a scoped one in a stock query goes nowhere', async () => {
    const foreign = stock.select({ id: products.id }).from(products).where(eq(products.sku, 'only-c'));
    expect(await runAs('beta', () => world.scoped.db.select().from(archive).where(exists(foreign)))).toEqual([]);
    expect(await runAs('gamma', () => world.scoped.db.select().from(archive).where(exists(foreign)))).toHaveLength(2);
    await expect(
      stock
        .select()
        .from(archive)
        .where(exists(world.scoped.db.select().from(products))),
    ).rejects.toThrow();
    await expect(
      runAs(
        'beta',
        async () =>
          await world.scoped.db
            .select()
            .from(archive)
            .where(exists(stock.update(products).set({ price: 1 }).returning() as never)),
      ),
    ).rejects.toBeInstanceOf(UnscopedQueryError);
  });
});
