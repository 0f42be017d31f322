-- Up Migration
create table entries (
  tenant_id text not null,
  n integer generated always as identity,
  name text not null,
  primary key (tenant_id, n)
);
