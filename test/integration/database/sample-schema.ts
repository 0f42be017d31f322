import { relations } from 'drizzle-orm';
import { boolean, integer, jsonb, numeric, text, timestamp } from 'drizzle-orm/pg-core';
import { encryptedBytes } from '../../../src/database/encrypted-bytes.ts';
import { encryptedJson } from '../../../src/database/encrypted-json.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { referenceTable } from '../../../src/database/reference-table.ts';
import { tenantForeignKey } from '../../../src/database/tenant-foreign-key.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { tenantView } from '../../../src/database/tenant-view.ts';
import { uniqueWithinTenant } from '../../../src/database/unique-within-tenant.ts';

export const currencies = referenceTable('currencies', { code: text('code').primaryKey(), label: text('label').notNull() });

export const products = tenantTable(
  'products',
  {
    id: integer('id').notNull(),
    sku: text('sku').notNull(),
    owner: text('owner').notNull(),
    price: integer('price').notNull().default(0),
    weight: numeric('weight'),
    currency: text('currency').notNull().default('EUR'),
    tags: text('tags').array(),
    details: jsonb('details').$type<{ colour: string }>(),
    active: boolean('active').notNull().default(true),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().default(new Date('2024-01-02T03:04:05Z')),
  },
  (t) => [tenantKey(t.id), uniqueWithinTenant(t.sku)],
);

export const orders = tenantTable(
  'orders',
  {
    id: integer('id').notNull(),
    productId: integer('product_id'),
    parentId: integer('parent_id'),
    owner: text('owner').notNull(),
    quantity: integer('quantity').notNull(),
    touched: text('touched').$onUpdate(() => 'touched'),
  },
  (t) => [tenantKey(t.id), tenantForeignKey({ columns: [t.productId], foreignColumns: [products.id], onDelete: 'cascade' })],
);

export const archive = tenantTable(
  'archive',
  { id: integer('id').notNull(), sku: text('sku').notNull(), owner: text('owner').notNull() },
  (t) => [tenantKey(t.id)],
);

export const suppliers = tenantTable(
  'suppliers',
  {
    id: integer('id').notNull(),
    productId: integer('product_id'),
    name: text('name').notNull(),
    iban: encryptedText('iban'),
    address: encryptedJson<{ city: string }>('address'),
    logo: encryptedBytes('logo'),
  },
  (t) => [tenantKey(t.id)],
);

export const notes = tenantTable(
  'notes',
  { number: integer('number').generatedAlwaysAsIdentity(), owner: text('owner').notNull() },
  (t) => [tenantKey(t.number)],
);

export const stock = tenantView('stock', {
  id: integer('id').notNull(),
  sku: text('sku').notNull(),
  owner: text('owner').notNull(),
  ordered: integer('ordered').notNull(),
});

export const accounts = tenantView('accounts').as((qb) =>
  qb.select({ tenantId: suppliers.tenantId, id: suppliers.id, iban: suppliers.iban }).from(suppliers),
);

export const productRelations = relations(products, ({ one, many }) => ({
  orders: many(orders),
  suppliers: many(suppliers),
  currencyRow: one(currencies, { fields: [products.currency], references: [currencies.code] }),
}));

export const orderRelations = relations(orders, ({ one, many }) => ({
  product: one(products, { fields: [orders.productId], references: [products.id] }),
  parent: one(orders, { fields: [orders.parentId], references: [orders.id], relationName: 'parent' }),
  children: many(orders, { relationName: 'parent' }),
}));

export const supplierRelations = relations(suppliers, ({ one }) => ({
  product: one(products, { fields: [suppliers.productId], references: [products.id] }),
}));

export const schema = {
  currencies,
  products,
  orders,
  archive,
  suppliers,
  notes,
  stock,
  accounts,
  productRelations,
  orderRelations,
  supplierRelations,
};

/** DDL of the tenant tables and views in one schema, without policies: here the dialect alone has to hold. */
// A tenant's copy is what its rows would be without tenants: keys without tenant_id hold there.
export function tableDdl(schemaName: string, defaultTenant?: string): string {
  const tenant = `tenant_id text not null${defaultTenant === undefined ? '' : ` default '${defaultTenant}'`}`;
  return `
    create schema ${schemaName};
    create table ${schemaName}.products (${tenant}, id int not null, sku text not null, owner text not null, price int not null default 0, weight numeric,
      currency text not null default 'EUR', tags text[], details jsonb, active boolean not null default true, created_at timestamptz not null default '2024-01-02T03:04:05Z',
      primary key (tenant_id, id), unique (tenant_id, sku));
    create table ${schemaName}.orders (${tenant}, id int not null, product_id int, parent_id int, owner text not null, quantity int not null, touched text,
      primary key (tenant_id, id), foreign key (tenant_id, product_id) references ${schemaName}.products on delete cascade);
    create table ${schemaName}.archive (${tenant}, id int not null, sku text not null, owner text not null, primary key (tenant_id, id));
    create table ${schemaName}.suppliers (${tenant}, id int not null, product_id int, name text not null, iban bytea, address bytea, logo bytea, primary key (tenant_id, id));
    create table ${schemaName}.notes (${tenant}, number int not null generated always as identity, owner text not null, primary key (tenant_id, number));
    create view ${schemaName}.stock as select p.tenant_id, p.id, p.sku, p.owner, coalesce(sum(o.quantity), 0)::int as ordered
      from ${schemaName}.products p left join ${schemaName}.orders o on o.tenant_id = p.tenant_id and o.product_id = p.id group by p.tenant_id, p.id, p.sku, p.owner;
    create view ${schemaName}.accounts as select tenant_id, id, iban from ${schemaName}.suppliers;
    ${
      defaultTenant === undefined
        ? ''
        : `create unique index on ${schemaName}.products (id); create unique index on ${schemaName}.products (sku);
    create unique index on ${schemaName}.archive (id); create unique index on ${schemaName}.notes (number);`
    }`;
}

/** The same ids and values for every tenant, but for `owner` and a few numbers; the third tenant has rows that the others lack. */
export function seedSql(schemaName: string, tenant: string, index: number): string {
  const extra = index === 2 ? `, ('${tenant}', 4, 'only-c', '${tenant}', 99)` : '';
  return `
    insert into ${schemaName}.products (tenant_id, id, sku, owner, price) values
      ('${tenant}', 1, 'apple', '${tenant}', ${10 + index}), ('${tenant}', 2, 'pear', '${tenant}', 20), ('${tenant}', 3, 'plum', '${tenant}', ${30 - index})${extra};
    insert into ${schemaName}.orders (tenant_id, id, product_id, parent_id, owner, quantity) values
      ('${tenant}', 1, 1, null, '${tenant}', 5), ('${tenant}', 2, 1, 1, '${tenant}', ${index}), ('${tenant}', 3, ${index === 1 ? 'null' : '2'}, 1, '${tenant}', 7),
      ('${tenant}', 4, null, 2, '${tenant}', 1);
    insert into ${schemaName}.archive (tenant_id, id, sku, owner) values ('${tenant}', 1, 'apple', '${tenant}'), ('${tenant}', 9, 'old', '${tenant}');
    insert into ${schemaName}.notes (tenant_id, number, owner) overriding system value values ('${tenant}', 1, '${tenant}');`;
}
