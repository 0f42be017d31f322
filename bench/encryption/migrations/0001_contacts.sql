-- Up Migration
create table contacts (
  tenant_id text not null,
  id integer not null,
  name bytea not null,
  email bytea not null,
  email_index bytea,
  iban bytea not null,
  primary key (tenant_id, id),
  unique (tenant_id, email_index)
);
create table plain_contacts (
  tenant_id text not null,
  id integer not null,
  name text not null,
  email text not null,
  iban text not null,
  primary key (tenant_id, id),
  unique (tenant_id, email)
);
