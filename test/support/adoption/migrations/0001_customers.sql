-- Up Migration
create table customers (
  tenant_id text not null,
  id uuid not null default gen_random_uuid(),
  name text not null,
  changes integer not null default 0,
  note text,
  note_encrypted bytea,
  email varchar(80),
  email_encrypted bytea,
  email_encrypted_index bytea,
  credit numeric,
  credit_encrypted bytea,
  born_at timestamptz,
  born_at_encrypted bytea,
  address jsonb,
  address_encrypted bytea,
  photo bytea,
  photo_encrypted bytea,
  iban bytea,
  iban_index bytea,
  primary key (tenant_id, id),
  constraint customers_email unique (tenant_id, email_encrypted_index),
  constraint customers_note_adopting check (num_nonnulls(note, note_encrypted) = 1),
  constraint customers_email_adopting check (num_nonnulls(email, email_encrypted) <= 1),
  constraint customers_credit_adopting check (num_nonnulls(credit, credit_encrypted) <= 1),
  constraint customers_born_at_adopting check (num_nonnulls(born_at, born_at_encrypted) <= 1),
  constraint customers_address_adopting check (num_nonnulls(address, address_encrypted) <= 1),
  constraint customers_photo_adopting check (num_nonnulls(photo, photo_encrypted) <= 1)
);
create table visits (
  tenant_id text not null,
  id uuid not null default gen_random_uuid(),
  customer_id uuid not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, customer_id) references customers (tenant_id, id)
);
-- Down Migration
