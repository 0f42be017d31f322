import { relations } from 'drizzle-orm';
import { boolean, foreignKey, integer, jsonb, pgEnum, text } from 'drizzle-orm/pg-core';
import { encryptedText } from '../../src/database/encrypted-text.ts';
import { referenceTable } from '../../src/database/reference-table.ts';
import { tenantForeignKey } from '../../src/database/tenant-foreign-key.ts';
import { tenantKey } from '../../src/database/tenant-key.ts';
import { tenantTable } from '../../src/database/tenant-table.ts';
import { tenantView } from '../../src/database/tenant-view.ts';
import { uniqueWithinTenant } from '../../src/database/unique-within-tenant.ts';

/** The tables as a service declares them. `stock-schema.ts` has the same without tenants; keys and names agree. */
export const mood = pgEnum('mood', ['low', 'mid', 'high']);

export const rates = referenceTable('rates', {
  code: text('code').primaryKey(),
  label: text('label').notNull(),
  factor: integer('factor').notNull(),
});

export const shops = tenantTable(
  'shops',
  {
    id: integer('id').notNull(),
    name: text('name'),
    mood: mood('mood'),
    size: integer('size'),
    parentId: integer('parent_id'),
    secret: encryptedText('secret'),
    touched: text('touched').$onUpdate(() => 'touched'),
  },
  (t) => [tenantKey(t.id), uniqueWithinTenant(t.name)],
);

export const items = tenantTable(
  'items',
  {
    id: integer('id').notNull(),
    shopId: integer('shop_id'),
    code: text('code').notNull(),
    price: integer('price').notNull().default(3),
    active: boolean('active').notNull().default(true),
    note: text('note').$defaultFn(() => 'made'),
    details: jsonb('details'),
    rate: text('rate'),
    secret: encryptedText('secret'),
  },
  (t) => [
    tenantKey(t.id),
    uniqueWithinTenant(t.code),
    tenantForeignKey({ columns: [t.shopId], foreignColumns: [shops.id], onDelete: 'cascade' }),
    foreignKey({ columns: [t.rate], foreignColumns: [rates.code] }),
  ],
);

export const sales = tenantTable(
  'sales',
  { id: integer('id').notNull(), itemId: integer('item_id'), amount: integer('amount'), mood: mood('mood'), buyer: text('buyer') },
  (t) => [tenantKey(t.id), tenantForeignKey({ columns: [t.itemId], foreignColumns: [items.id] })],
);

export const notes = tenantTable('notes', { number: integer('number').generatedAlwaysAsIdentity(), body: text('body') }, (t) => [
  tenantKey(t.number),
]);

export const totals = tenantView('totals', {
  id: integer('id').notNull(),
  code: text('code').notNull(),
  pieces: integer('pieces').notNull(),
});

export const vaults = tenantView('vaults').as((qb) =>
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
