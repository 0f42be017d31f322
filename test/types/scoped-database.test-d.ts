import { eq, relations } from 'drizzle-orm';
import { integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/postgres-js';
import { describe, expectTypeOf, it } from 'vitest';
import { encryptedBytes } from '../../src/database/encrypted-bytes.ts';
import { encryptedJson } from '../../src/database/encrypted-json.ts';
import { encryptedText } from '../../src/database/encrypted-text.ts';
import { referenceTable } from '../../src/database/reference-table.ts';
import type { ScopedDatabase } from '../../src/database/scoped-database.ts';
import { tenantKey } from '../../src/database/tenant-key.ts';
import { tenantTable } from '../../src/database/tenant-table.ts';

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
const schema = { products, orders, currencies, orderRelations };

// What stock drizzle makes of the same columns.
const stockOrders = pgTable('orders', {
  tenantId: text('tenant_id').notNull(),
  id: integer('id').notNull(),
  productId: uuid('product_id'),
});

declare const scoped: ScopedDatabase<typeof schema>;
const { db, sql } = scoped;
const stock = drizzle.mock();

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
    const theirs = stock.select().from(stockOrders).where(eq(stockOrders.id, 1));
    expectTypeOf<Awaited<typeof ours>>().toEqualTypeOf<Awaited<typeof theirs>>();
    const joined = db.select({ id: orders.id, sku: products.sku }).from(orders).leftJoin(products, eq(products.id, orders.productId));
    expectTypeOf<Awaited<typeof joined>>().toEqualTypeOf<{ id: number; sku: string | null }[]>();
    const returned = db.update(orders).set({ id: 1 }).returning({ id: orders.id });
    expectTypeOf<Awaited<typeof returned>>().toEqualTypeOf<{ id: number }[]>();
    const codes = db.select().from(currencies);
    expectTypeOf<Awaited<typeof codes>>().toEqualTypeOf<{ code: string }[]>();
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
