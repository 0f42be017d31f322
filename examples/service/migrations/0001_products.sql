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
