-- Up Migration
create type mood as enum ('low', 'mid', 'high');
create table shops (
  tenant_id text not null,
  id integer not null,
  name text,
  mood mood,
  size integer,
  parent_id integer,
  secret bytea,
  touched text,
  primary key (tenant_id, id),
  unique (tenant_id, name)
);
create table items (
  tenant_id text not null,
  id integer not null,
  shop_id integer,
  code text not null,
  price integer not null default 3,
  active boolean not null default true,
  note text,
  details jsonb,
  rate text references rates (code),
  secret bytea,
  primary key (tenant_id, id),
  unique (tenant_id, code),
  foreign key (tenant_id, shop_id) references shops (tenant_id, id) on delete cascade
);
create table sales (
  tenant_id text not null,
  id integer not null,
  item_id integer,
  amount integer,
  mood mood,
  buyer text,
  primary key (tenant_id, id),
  foreign key (tenant_id, item_id) references items (tenant_id, id)
);
create table notes (
  tenant_id text not null,
  number integer not null generated always as identity,
  body text,
  primary key (tenant_id, number)
);
