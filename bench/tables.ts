import { tenantKey, tenantTable, uniqueWithinTenant } from '@godseye/tenancy';
import { integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';

const productColumns = {
  id: uuid('id').defaultRandom().notNull(),
  sku: text('sku').notNull(),
  description: text('description').notNull(),
  stock: integer('stock').notNull(),
};

const movementColumns = {
  id: uuid('id').defaultRandom().notNull(),
  sku: text('sku').notNull(),
  quantity: integer('quantity').notNull(),
};

/** The tables as a service declares them. */
export const tenantTables = {
  products: tenantTable('products', productColumns, (t) => [tenantKey(t.id), uniqueWithinTenant(t.sku)]),
  movements: tenantTable('movements', movementColumns, (t) => [tenantKey(t.id)]),
};

/** The same tables for stock drizzle, which knows of no tenants. */
export const plainTables = {
  products: pgTable('products', { tenantId: text('tenant_id').notNull(), ...productColumns }),
  movements: pgTable('movements', { tenantId: text('tenant_id').notNull(), ...movementColumns }),
};
