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
create table order_lines (
  tenant_id text not null,
  order_number integer not null,
  line_number integer not null,
  sku text not null,
  quantity integer not null,
  primary key (tenant_id, order_number, line_number)
);
create table documents (
  tenant_id text not null,
  id integer not null,
  title text not null,
  attributes jsonb not null,
  primary key (tenant_id, id)
);
create table filed_documents (
  tenant_id text not null,
  id integer not null,
  title text not null,
  attributes jsonb not null,
  primary key (tenant_id, id)
);
