-- Up Migration
create table products (
  tenant_id text not null,
  id uuid not null default gen_random_uuid(),
  sku text not null,
  stock integer not null,
  supplier_iban bytea,
  primary key (tenant_id, id),
  unique (tenant_id, sku)
);
create table orders (
  tenant_id text not null,
  id uuid not null default gen_random_uuid(),
  product_id uuid not null,
  quantity integer not null,
  currency text not null references currencies (code),
  primary key (tenant_id, id),
  foreign key (tenant_id, product_id) references products (tenant_id, id)
);
