import { randomUUID } from 'node:crypto';
import { integer, text, uuid } from 'drizzle-orm/pg-core';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';

/** The shop's products as a service declares them that binds values to their rows. */
export const boundProducts = tenantTable(
  'products',
  {
    id: uuid('id')
      .notNull()
      .$defaultFn(() => randomUUID()),
    sku: text('sku').notNull(),
    stock: integer('stock').notNull(),
    supplierIban: encryptedText('supplier_iban', { boundTo: 'id' }),
  },
  (t) => [tenantKey(t.id)],
);
