import { and, eq, inArray, ne, relations, sql } from 'drizzle-orm';
import { alias, integer, pgTable, text } from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/postgres-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CrossTenantAccessError } from '../../src/errors.ts';
import { archive, products } from '../integration/database/sample-schema.ts';
import { type SampleWorld, type StockDatabase, sampleWorld } from '../integration/database/sample-world.ts';
import { runAs } from '../support/direct-route.ts';

let world: SampleWorld;
let stock: StockDatabase;
beforeAll(async () => {
  world = await sampleWorld();
  stock = drizzle((await world.stockOn('pool')).$client, { schema: plainSchema }) as never;
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});
beforeEach(() => {
  world.sink.events.length = 0;
  world.sink.broken = false;
});

const ours = { products, archive, other: alias(products, 'other') };

// The same tables as stock drizzle has them: nothing but columns.
const plainProducts = pgTable('products', {
  tenantId: text('tenant_id').notNull(),
  id: integer('id').notNull(),
  sku: text('sku').notNull(),
  owner: text('owner').notNull(),
});
const plainArchive = pgTable('archive', {
  tenantId: text('tenant_id').notNull(),
  id: integer('id').notNull(),
  sku: text('sku').notNull(),
  owner: text('owner').notNull(),
});
const plainOrders = pgTable('orders', {
  tenantId: text('tenant_id').notNull(),
  id: integer('id').notNull(),
  productId: integer('product_id'),
});
const plain = { products: plainProducts, archive: plainArchive, other: alias(plainProducts, 'other') };
const plainSchema = {
  products: plainProducts,
  orders: plainOrders,
  productRelations: relations(plainProducts, ({ many }) => ({ orders: many(plainOrders) })),
  orderRelations: relations(plainOrders, ({ one }) => ({
    product: one(plainProducts, { fields: [plainOrders.productId], references: [plainProducts.id] }),
  })),
};

type Attack = (db: StockDatabase, tables: typeof ours) => PromiseLike<unknown>;

/** Every place in which a query as alpha can write beta's id. Stock drizzle, over the same tables, would send it. */
const attacks: Record<string, Attack> = {
  where: (db, { products }) => db.select().from(products).where(eq(products.tenantId, 'beta')),
  'where not': (db, { products }) => db.select().from(products).where(ne(products.tenantId, 'beta')),
  'where inArray': (db, { products }) =>
    db
      .select()
      .from(products)
      .where(inArray(products.tenantId, ['alpha', 'beta'])),
  'where of an alias': (db, { other }) => db.select().from(other).where(eq(other.tenantId, 'beta')),
  'where of a subquery': (db, { products }) => {
    const q = db.select().from(products).as('q');
    return db.select().from(q).where(eq(q.tenantId, 'beta'));
  },
  'a raw comparison': (db, { products }) => db.select().from(products).where(sql`${products.tenantId} = ${'beta'}`),
  'a raw comparison, reversed': (db, { products }) => db.select().from(products).where(sql`${'beta'} = ${products.tenantId}`),
  'a raw list': (db, { products }) =>
    db
      .select()
      .from(products)
      .where(sql`${products.tenantId} in ${['beta']}`),
  'a placeholder': (db, { products }) =>
    db
      .select()
      .from(products)
      .where(eq(products.tenantId, sql.placeholder('t')))
      .prepare('a')
      .execute({ t: 'beta' }),
  'a placeholder in a list': (db, { products }) =>
    db
      .select()
      .from(products)
      .where(inArray(products.tenantId, [sql.placeholder('t')]))
      .prepare('b')
      .execute({ t: 'beta' }),
  'join on': (db, { products, archive }) =>
    db
      .select()
      .from(products)
      .innerJoin(archive, and(eq(archive.sku, products.sku), eq(archive.tenantId, 'beta'))),
  'a relational where': (db) => db.query.products.findMany({ where: (t) => eq(t.tenantId, 'beta') }),
  'a nested relational where': (db) => db.query.products.findMany({ with: { orders: { where: (t) => eq(t.tenantId, 'beta') } } }),
  'raw execute': (db, { products }) => db.execute(sql`select * from ${products} where ${eq(products.tenantId, 'beta')}`),
  insert: (db, { archive }) => db.insert(archive).values({ tenantId: 'beta', id: 500, sku: 'x', owner: 'x' }),
  'the second row of an insert': (db, { archive }) =>
    db.insert(archive).values([
      { id: 501, sku: 'x', owner: 'x', tenantId: 'alpha' },
      { tenantId: 'beta', id: 502, sku: 'x', owner: 'x' },
    ]),
  'insert by placeholder': (db, { archive }) =>
    db
      .insert(archive)
      .values({ tenantId: sql.placeholder('t'), id: 503, sku: 'x', owner: 'x' })
      .prepare('c')
      .execute({ t: 'beta' }),
  'insert of an expression': (db, { archive }) => db.insert(archive).values({ tenantId: sql`'beta'`, id: 504, sku: 'x', owner: 'x' }),
  'insert select': (db, { products, archive }) =>
    db.insert(archive).select(
      db
        .select({ tenantId: sql<string>`'beta'`.as('t'), id: sql<number>`505`.as('id'), sku: products.sku, owner: products.owner })
        .from(products)
        .limit(1),
    ),
  update: (db, { archive }) => db.update(archive).set({ tenantId: 'gamma', id: 600 }).where(sql`id = 9 and owner = 'beta'`),
  'update to an expression': (db, { archive }) =>
    db.update(archive).set({ tenantId: sql`'gamma'`, id: 601 }).where(sql`id = 9 and owner = 'beta'`),
  'update to a column': (db, { archive }) =>
    db
      .update(archive)
      .set({ tenantId: sql`${archive.owner}`, id: 602 })
      .where(sql`id = 9 and owner = 'beta'`),
  upsert: (db, { archive }) =>
    db
      .insert(archive)
      .values({ tenantId: 'alpha', id: 1, sku: 'x', owner: 'x' })
      .onConflictDoUpdate({ target: [archive.tenantId, archive.id], set: { tenantId: 'gamma', id: 603 } }),
  'upsert condition': (db, { archive }) =>
    db
      .insert(archive)
      .values({ tenantId: 'alpha', id: 1, sku: 'x', owner: 'x' })
      .onConflictDoUpdate({ target: [archive.tenantId, archive.id], set: { owner: 'x' }, setWhere: eq(archive.tenantId, 'beta') }),
  delete: (db, { archive }) => db.delete(archive).where(eq(archive.tenantId, 'beta')),
};

describe('another tenant’s id in a query', () => {
  for (const [name, attack] of Object.entries(attacks)) {
    it(name, async () => {
      // Control: over plain tables stock drizzle does as it is told; undone so that every attack meets the same rows.
      const undo = new Error('undo');
      await expect(
        stock.transaction(async (tx) => {
          await attack(tx as never, plain as never);
          throw undo;
        }),
      ).rejects.toBe(undo);

      const sent = world.pool.sent.length;
      const before = await world.admin.unsafe('select * from pool.archive order by tenant_id, id');
      const error = await runAs('alpha', () => attack(world.scoped.db as never, ours)).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(CrossTenantAccessError);
      expect(world.pool.sent.length).toBe(sent);
      expect(await world.admin.unsafe('select * from pool.archive order by tenant_id, id')).toEqual(before);
      expect(world.sink.events).toMatchObject([
        { action: 'query.foreign-tenant-id', outcome: 'refused', tenantId: 'alpha', errorCode: 'CROSS_TENANT_ACCESS' },
      ]);
      expect(world.sink.events[0]!.statementFingerprint).toMatch(/^[0-9a-f]{16}$/);
      expect((error as CrossTenantAccessError).auditId).toBe(world.sink.events[0]!.id);
    });
  }

  it('the executing tenant’s own id is fine', async () => {
    const { db } = world.scoped;
    const rows = await runAs('alpha', () => db.select().from(products).where(eq(products.tenantId, 'alpha')));
    expect(rows.map(({ owner }) => owner)).toEqual(['alpha', 'alpha', 'alpha']);
  });

  it('a value that is no tenant’s id does not reach the message', async () => {
    const error = await runAs('alpha', () => world.scoped.db.select().from(products).where(eq(products.tenantId, 'DE89 3704 0044'))).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(CrossTenantAccessError);
    expect(JSON.stringify([String(error), error, world.sink.events])).not.toContain('3704');
  });

  it('stays refused when the audit can’t be kept', async () => {
    world.sink.broken = true;
    const error = await runAs('alpha', () => world.scoped.db.delete(archive).where(eq(archive.tenantId, 'beta'))).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(CrossTenantAccessError);
    expect((error as CrossTenantAccessError).auditId).toBeUndefined();
    expect((error as CrossTenantAccessError).cause).toMatchObject({ code: 'AUDIT_UNAVAILABLE' });
  });
});
