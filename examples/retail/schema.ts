import { encryptedText, referenceTable, tenantForeignKey, tenantKey, tenantTable, uniqueWithinTenant } from '@godseye/tenancy';
import { foreignKey, index, integer, numeric, text, timestamp, uuid } from 'drizzle-orm/pg-core';

/** The currencies that orders are in: the same rows for every retailer. */
export const currencies = referenceTable('currencies', {
  code: text('code').primaryKey(),
  name: text('name').notNull(),
  minorUnits: integer('minor_units').notNull(),
});

/** What a retailer sells, and charges for: postage and discounts have codes too. */
export const products = tenantTable(
  'products',
  {
    id: uuid('id').defaultRandom().notNull(),
    sku: text('sku').notNull(),
    description: text('description'),
    price: numeric('price', { precision: 12, scale: 4 }).notNull(),
    supplierIban: encryptedText('supplier_iban'),
  },
  (t) => [tenantKey(t.id), uniqueWithinTenant(t.sku)],
);

/** Pieces on the shelf. */
export const inventory = tenantTable(
  'inventory',
  {
    productId: uuid('product_id').notNull(),
    quantity: integer('quantity').notNull(),
  },
  (t) => [tenantKey(t.productId), tenantForeignKey({ columns: [t.productId], foreignColumns: [products.id], onDelete: 'cascade' })],
);

/** One order per invoice; an invoice that begins with C takes an earlier one back. */
export const orders = tenantTable(
  'orders',
  {
    id: uuid('id').defaultRandom().notNull(),
    invoiceNo: text('invoice_no').notNull(),
    customer: text('customer'),
    orderedAt: timestamp('ordered_at', { withTimezone: true }).notNull(),
    currency: text('currency').notNull(),
  },
  (t) => [
    tenantKey(t.id),
    uniqueWithinTenant(t.invoiceNo),
    foreignKey({ columns: [t.currency], foreignColumns: [currencies.code] }),
    index('orders_ordered_at').on(t.tenantId, t.orderedAt),
  ],
);

export const orderLines = tenantTable(
  'order_lines',
  {
    id: uuid('id').defaultRandom().notNull(),
    orderId: uuid('order_id').notNull(),
    productId: uuid('product_id').notNull(),
    /** Negative for returns. */
    quantity: integer('quantity').notNull(),
    unitPrice: numeric('unit_price', { precision: 12, scale: 4 }).notNull(),
    /** The line's identity in the invoice files: importing it again changes nothing. */
    lineKey: text('line_key').notNull(),
  },
  (t) => [
    tenantKey(t.id),
    uniqueWithinTenant(t.lineKey),
    tenantForeignKey({ columns: [t.orderId], foreignColumns: [orders.id], onDelete: 'cascade' }),
    tenantForeignKey({ columns: [t.productId], foreignColumns: [products.id] }),
    index('order_lines_order').on(t.tenantId, t.orderId),
    index('order_lines_product').on(t.tenantId, t.productId),
  ],
);
