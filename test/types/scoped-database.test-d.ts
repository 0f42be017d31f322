import { count, eq, relations } from 'drizzle-orm';
import { alias, integer, pgTable, pgView, text, union, uuid } from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/postgres-js';
import { describe, expectTypeOf, it } from 'vitest';
import { blindIndex } from '../../src/database/blind-index.ts';
import { encryptedBytes } from '../../src/database/encrypted-bytes.ts';
import { encryptedDate } from '../../src/database/encrypted-date.ts';
import { encryptedJson } from '../../src/database/encrypted-json.ts';
import { encryptedNumber } from '../../src/database/encrypted-number.ts';
import { encryptedText } from '../../src/database/encrypted-text.ts';
import { referenceTable } from '../../src/database/reference-table.ts';
import type { ScopedDatabase } from '../../src/database/scoped-database.ts';
import { tenantKey } from '../../src/database/tenant-key.ts';
import { tenantTable } from '../../src/database/tenant-table.ts';
import { tenantView } from '../../src/database/tenant-view.ts';

const products = tenantTable(
  'products',
  {
    id: uuid('id').defaultRandom().notNull(),
    sku: text('sku').notNull(),
    price: integer('price'),
    iban: encryptedText('iban').notNull(),
    address: encryptedJson<{ city: string }>('address'),
    logo: encryptedBytes('logo'),
    unnamed: encryptedText(),
  },
  (t) => [tenantKey(t.id)],
);
const orders = tenantTable('orders', { id: integer('id').notNull(), productId: uuid('product_id') }, (t) => [tenantKey(t.tenantId, t.id)]);
const currencies = referenceTable('currencies', { code: text('code').primaryKey() });
const orderRelations = relations(orders, ({ one }) => ({
  product: one(products, { fields: [orders.productId], references: [products.id] }),
}));
const stock = tenantView('stock', { id: integer('id').notNull(), sku: text('sku') });
const accounts = tenantView('accounts').as((qb) => qb.select({ tenantId: products.tenantId, iban: products.iban }).from(products));
const schema = { products, orders, currencies, orderRelations };

// What stock drizzle makes of the same columns.
const stockOrders = pgTable('orders', {
  tenantId: text('tenant_id').notNull(),
  id: integer('id').notNull(),
  productId: uuid('product_id'),
});

const stockView = pgView('stock', { tenantId: text('tenant_id').notNull(), id: integer('id').notNull(), sku: text('sku') }).existing();

declare const scoped: ScopedDatabase<typeof schema>;
const { db, sql } = scoped;
const stockSession = drizzle.mock();

describe('types', () => {
  it('rows have tenantId and plaintext', () => {
    expectTypeOf<typeof products.$inferSelect>().toEqualTypeOf<{
      tenantId: string;
      id: string;
      sku: string;
      price: number | null;
      iban: string;
      address: { city: string } | null;
      logo: Buffer | null;
      unnamed: string | null;
    }>();
  });

  it('a column that is bound to its row has the type of its values, and the row’s id stays as it is declared', () => {
    const vaults = tenantTable(
      'vaults',
      {
        id: uuid('id')
          .notNull()
          .$defaultFn(() => 'made'),
        secret: encryptedText('secret', { boundTo: 'id', index: blindIndex(), pad: 16 }).notNull(),
        amount: encryptedNumber('amount', { boundTo: 'id' }),
        openedAt: encryptedDate({ boundTo: 'id' }),
        address: encryptedJson<{ city: string }>('address', { boundTo: 'id' }),
        seal: encryptedBytes('seal', { boundTo: 'id' }),
      },
      (t) => [tenantKey(t.id)],
    );
    expectTypeOf<typeof vaults.$inferSelect>().toEqualTypeOf<{
      tenantId: string;
      id: string;
      secret: string;
      amount: number | null;
      openedAt: Date | null;
      address: { city: string } | null;
      seal: Buffer | null;
    }>();
    expectTypeOf<{ secret: string }>().toExtend<typeof vaults.$inferInsert>();
    const rows = db.select({ secret: vaults.secret }).from(vaults);
    expectTypeOf<Awaited<typeof rows>>().toEqualTypeOf<{ secret: string }[]>();
    db.update(vaults).set({ secret: 'x', seal: null }).where(eq(vaults.id, 'x'));
    // @ts-expect-error the key of a column, not a column
    encryptedText('x', { boundTo: vaults.id });
  });

  it('inserts may leave tenantId out', () => {
    type Insert = typeof products.$inferInsert;
    expectTypeOf<{ sku: string; iban: string }>().toExtend<Insert>();
    expectTypeOf<{ tenantId: string; sku: string; iban: string }>().toExtend<Insert>();
    expectTypeOf<{ sku: string }>().not.toExtend<Insert>();
    expectTypeOf<{ sku: string; iban: number }>().not.toExtend<Insert>();
    db.insert(products)
      .values({ sku: 'a', iban: 'b' })
      .onConflictDoUpdate({ target: products.sku, set: { price: 1 } });
    // @ts-expect-error a column of another type
    db.insert(products).values({ sku: 'a', iban: 5 });
  });

  it('results are those of stock drizzle', () => {
    const ours = db.select().from(orders).where(eq(orders.id, 1));
    const theirs = stockSession.select().from(stockOrders).where(eq(stockOrders.id, 1));
    expectTypeOf<Awaited<typeof ours>>().toEqualTypeOf<Awaited<typeof theirs>>();
    const joined = db.select({ id: orders.id, sku: products.sku }).from(orders).leftJoin(products, eq(products.id, orders.productId));
    expectTypeOf<Awaited<typeof joined>>().toEqualTypeOf<{ id: number; sku: string | null }[]>();
    const returned = db.update(orders).set({ id: 1 }).returning({ id: orders.id });
    expectTypeOf<Awaited<typeof returned>>().toEqualTypeOf<{ id: number }[]>();
    const codes = db.select().from(currencies);
    expectTypeOf<Awaited<typeof codes>>().toEqualTypeOf<{ code: string }[]>();
  });

  it('views are read as stock drizzle reads them, and never written', () => {
    const ours = db.select().from(stock);
    const theirs = stockSession.select().from(stockView);
    expectTypeOf<Awaited<typeof ours>>().toEqualTypeOf<Awaited<typeof theirs>>();
    const joined = db.select({ id: orders.id, sku: stock.sku }).from(orders).leftJoin(stock, eq(stock.id, orders.id));
    expectTypeOf<Awaited<typeof joined>>().toEqualTypeOf<{ id: number; sku: string | null }[]>();
    const decrypted = db.select().from(accounts);
    expectTypeOf<Awaited<typeof decrypted>>().toEqualTypeOf<{ tenantId: string; iban: string }[]>();
    // @ts-expect-error a view is no table
    db.update(stock);
    // @ts-expect-error the query has no tenantId
    tenantView('v').as((qb) => qb.select({ id: orders.id }).from(orders));
    // @ts-expect-error the library adds it
    tenantView('v', { tenantId: text('tenant_id') });
  });

  it('ctes, subqueries, set operations, prepared and dynamic queries are typed as in stock drizzle', () => {
    const cte = db.$with('moved').as(db.update(orders).set({ id: 2 }).returning({ id: orders.id }));
    const moved = db.with(cte).select().from(cte);
    expectTypeOf<Awaited<typeof moved>>().toEqualTypeOf<{ id: number }[]>();
    const totals = db
      .select({ id: orders.id, n: count().as('n') })
      .from(orders)
      .groupBy(orders.id)
      .as('totals');
    const full = db.select({ id: products.id, order: totals.id }).from(products).fullJoin(totals, eq(totals.id, 1));
    expectTypeOf<Awaited<typeof full>>().toEqualTypeOf<{ id: string | null; order: number | null }[]>();
    const both = union(db.select({ id: orders.id }).from(orders), db.select({ id: alias(orders, 'o').id }).from(orders));
    expectTypeOf<Awaited<typeof both>>().toEqualTypeOf<{ id: number }[]>();
    const prepared = db.select({ id: orders.id }).from(orders).$dynamic().where(eq(orders.id, 1)).prepare('p');
    expectTypeOf<Awaited<ReturnType<typeof prepared.execute>>>().toEqualTypeOf<{ id: number }[]>();
    expectTypeOf(db.$count(stock)).resolves.toEqualTypeOf<number>();
    db.insert(orders).select((qb) => qb.select({ tenantId: orders.tenantId, id: orders.id, productId: orders.productId }).from(orders));
  });

  it('relational queries know the schema', () => {
    const query = db.query.orders.findMany({ columns: { id: true }, with: { product: { columns: { iban: true } } } });
    expectTypeOf<Awaited<typeof query>>().toEqualTypeOf<{ id: number; product: { iban: string } | null }[]>();
    // @ts-expect-error no such table
    void db.query.nothing;
  });

  it('is a PgDatabase; a transaction’s object has rollback', () => {
    void db.transaction(async (tx) => {
      expectTypeOf(tx.rollback).returns.toBeNever();
      const rows = await tx.select({ id: orders.id }).from(orders);
      expectTypeOf(rows).toEqualTypeOf<{ id: number }[]>();
    });
  });

  it('raw rows carry count and command', async () => {
    const rows = await sql<{ n: string }>`select 1 as n`;
    expectTypeOf(rows[0]!).toEqualTypeOf<{ n: string }>();
    expectTypeOf(rows.count).toEqualTypeOf<number>();
    const inserted = await db.insert(orders).values({ id: 1 });
    expectTypeOf(inserted.count).toEqualTypeOf<number>();
  });

  it('tenantId can’t be declared by hand', () => {
    // @ts-expect-error the library adds it
    tenantTable('t', { tenantId: text('tenant_id') });
  });
});
