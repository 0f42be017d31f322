import { relations } from 'drizzle-orm';
import { boolean, integer, jsonb, pgEnum, pgSchema, pgTable, pgView, text } from 'drizzle-orm/pg-core';

/** The tables of `scoped-schema.ts` in stock drizzle, for a schema that holds one tenant alone; secrets are plain text there. */
export const mood = pgEnum('mood', ['low', 'mid', 'high']);

const tenantId = text('tenant_id').notNull().default('by the database');

export const rates = pgSchema('reference').table('rates', {
  code: text('code').primaryKey(),
  label: text('label').notNull(),
  factor: integer('factor').notNull(),
});

export const shops = pgTable('shops', {
  tenantId,
  id: integer('id').notNull(),
  name: text('name'),
  mood: mood('mood'),
  size: integer('size'),
  parentId: integer('parent_id'),
  secret: text('secret'),
  touched: text('touched').$onUpdate(() => 'touched'),
});

export const items = pgTable('items', {
  tenantId,
  id: integer('id').notNull(),
  shopId: integer('shop_id'),
  code: text('code').notNull(),
  price: integer('price').notNull().default(3),
  active: boolean('active').notNull().default(true),
  note: text('note').$defaultFn(() => 'made'),
  details: jsonb('details'),
  rate: text('rate'),
  secret: text('secret'),
});

export const sales = pgTable('sales', {
  tenantId,
  id: integer('id').notNull(),
  itemId: integer('item_id'),
  amount: integer('amount'),
  mood: mood('mood'),
  buyer: text('buyer'),
});

export const notes = pgTable('notes', { tenantId, number: integer('number').generatedAlwaysAsIdentity(), body: text('body') });

export const totals = pgView('totals', {
  tenantId,
  id: integer('id').notNull(),
  code: text('code').notNull(),
  pieces: integer('pieces').notNull(),
}).existing();

export const vaults = pgView('vaults').as((qb) =>
  qb.select({ tenantId: shops.tenantId, id: shops.id, mood: shops.mood, secret: shops.secret }).from(shops),
);

export const shopRelations = relations(shops, ({ one, many }) => ({
  items: many(items),
  parent: one(shops, { fields: [shops.parentId], references: [shops.id], relationName: 'parent' }),
  children: many(shops, { relationName: 'parent' }),
}));

export const itemRelations = relations(items, ({ one, many }) => ({
  shop: one(shops, { fields: [items.shopId], references: [shops.id] }),
  sales: many(sales),
  rateRow: one(rates, { fields: [items.rate], references: [rates.code] }),
}));

export const saleRelations = relations(sales, ({ one }) => ({ item: one(items, { fields: [sales.itemId], references: [items.id] }) }));
