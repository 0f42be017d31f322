import { tenantKey, tenantTable, uniqueWithinTenant } from '@godseye/tenancy';
import { integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core';

const products = {
  id: uuid('id').defaultRandom().notNull(),
  sku: text('sku').notNull(),
  description: text('description').notNull(),
  stock: integer('stock').notNull(),
};
const movements = {
  id: uuid('id').defaultRandom().notNull(),
  sku: text('sku').notNull(),
  quantity: integer('quantity').notNull(),
};
const orderLines = {
  orderNumber: integer('order_number').notNull(),
  lineNumber: integer('line_number').notNull(),
  sku: text('sku').notNull(),
  quantity: integer('quantity').notNull(),
};
const documents = {
  id: integer('id').notNull(),
  title: text('title').notNull(),
  attributes: jsonb('attributes').notNull(),
};

/** The tables as a service of this library declares them. */
export const tenantTables = {
  products: tenantTable('products', products, (t) => [tenantKey(t.id), uniqueWithinTenant(t.sku)]),
  movements: tenantTable('movements', movements, (t) => [tenantKey(t.id)]),
  orderLines: tenantTable('order_lines', orderLines, (t) => [tenantKey(t.orderNumber, t.lineNumber)]),
  documents: tenantTable('documents', documents, (t) => [tenantKey(t.id)]),
  filedDocuments: tenantTable('filed_documents', documents, (t) => [tenantKey(t.id)]),
};

const tenantId = text('tenant_id').notNull();

/** The same tables for stock drizzle, which knows of no tenants. */
export const plainTables = {
  products: pgTable('products', { tenantId, ...products }),
  movements: pgTable('movements', { tenantId, ...movements }),
  orderLines: pgTable('order_lines', { tenantId, ...orderLines }),
  documents: pgTable('documents', { tenantId, ...documents }),
  filedDocuments: pgTable('filed_documents', { tenantId, ...documents }),
};

const ownedDocuments = (name: string) => pgTable(name, documents);

/** The same for a library that gives each tenant a schema: rows of one tenant need not say whose they are. */
export const ownedTables = {
  products: pgTable('products', products),
  movements: pgTable('movements', movements),
  orderLines: pgTable('order_lines', orderLines),
  documents: ownedDocuments('documents'),
  filedDocuments: ownedDocuments('filed_documents'),
};
