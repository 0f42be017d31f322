import { relations } from 'drizzle-orm';
import { integer, text, uuid } from 'drizzle-orm/pg-core';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { referenceTable } from '../../../src/database/reference-table.ts';
import { tenantForeignKey } from '../../../src/database/tenant-foreign-key.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { uniqueWithinTenant } from '../../../src/database/unique-within-tenant.ts';

/** The tables that integration tests share: small, but with every kind of column and key that scoping has to do with. */
export const currencies = referenceTable('currencies', { code: text('code').notNull(), name: text('name').notNull() });

export const products = tenantTable(
  'products',
  {
    id: uuid('id').defaultRandom().notNull(),
    sku: text('sku').notNull(),
    stock: integer('stock').notNull(),
    supplierIban: encryptedText('supplier_iban'),
  },
  (t) => [tenantKey(t.id), uniqueWithinTenant(t.sku)],
);

export const orders = tenantTable(
  'orders',
  {
    id: uuid('id').defaultRandom().notNull(),
    productId: uuid('product_id').notNull(),
    quantity: integer('quantity').notNull(),
    currency: text('currency').notNull(),
  },
  (t) => [tenantKey(t.id), tenantForeignKey({ columns: [t.productId], foreignColumns: [products.id] })],
);

export const productRelations = relations(products, ({ many }) => ({ orders: many(orders) }));
export const orderRelations = relations(orders, ({ one }) => ({
  product: one(products, { fields: [orders.tenantId, orders.productId], references: [products.tenantId, products.id] }),
}));
