import { encryptedText, tenantKey, tenantTable, uniqueWithinTenant } from '@godseye/tenancy';
import { integer, text, uuid } from 'drizzle-orm/pg-core';

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
