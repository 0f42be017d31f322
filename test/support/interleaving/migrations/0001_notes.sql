-- Up Migration
create table items (
  tenant_id text not null,
  id integer not null,
  marker text not null,
  secret bytea,
  primary key (tenant_id, id)
);
create table notes (
  tenant_id text not null,
  key text not null,
  item_id integer not null,
  marker text not null,
  n integer not null,
  primary key (tenant_id, key),
  foreign key (tenant_id, item_id) references items (tenant_id, id)
);
