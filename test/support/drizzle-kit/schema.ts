// The tables of this file go through drizzle-kit itself: enum, foreign key and unique constraint, each of which it writes with "public".

import { integer, pgEnum, text, uuid } from 'drizzle-orm/pg-core';
import { blindIndex } from '../../../src/database/blind-index.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantForeignKey } from '../../../src/database/tenant-foreign-key.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { uniqueWithinTenant } from '../../../src/database/unique-within-tenant.ts';
export const status = pgEnum('status', ['open', 'paid']);
export const products = tenantTable(
  'products',
  {
    id: uuid('id').defaultRandom().notNull(),
    sku: text('sku').notNull(),
    stock: integer('stock').notNull(),
    supplierIban: encryptedText('supplier_iban', { index: blindIndex({ normalise: 'alphanumeric' }) }),
    serial: encryptedText('serial', { index: blindIndex() }),
  },
  (t) => [tenantKey(t.id), uniqueWithinTenant(t.sku), uniqueWithinTenant(t.serial)],
);
export const orders = tenantTable(
  'orders',
  { id: uuid('id').defaultRandom().notNull(), productId: uuid('product_id').notNull(), status: status('status').notNull() },
  (t) => [tenantKey(t.id), tenantForeignKey({ columns: [t.productId], foreignColumns: [products.id] })],
);
