-- Up Migration
create table products (
  tenant_id text not null,
  id uuid not null default gen_random_uuid(),
  sku text not null,
  description text not null,
  stock integer not null,
  primary key (tenant_id, id),
  unique (tenant_id, sku)
);
create table movements (
  tenant_id text not null,
  id uuid not null default gen_random_uuid(),
  sku text not null,
  quantity integer not null,
  primary key (tenant_id, id)
);
