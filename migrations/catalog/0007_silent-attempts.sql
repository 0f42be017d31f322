-- Statements that named a row by its key and came back with nothing: batches that services sealed, waiting for the control plane to find
-- out whether the rows are another tenant's. Whoever can read them sees ciphertext; whoever adds one without the key manager adds nothing.
create table tenancy.silent_questions (
  seq bigint primary key generated always as identity,
  asked_at timestamptz not null default clock_timestamp(),
  asked_by text not null default session_user,
  sealed bytea not null check (octet_length(sealed) between 1 and 4194304)
);

-- What keys are fingerprinted with in the audit log: without it a short one could be found by trying all.
create table tenancy.silent_fingerprint_key (
  single boolean primary key default true check (single),
  key bytea not null check (octet_length(key) = 32)
);
insert into tenancy.silent_fingerprint_key (key)
select pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.string_agg(pg_catalog.gen_random_uuid()::text, ''), 'UTF8')) from pg_catalog.generate_series(1, 4);

-- The only way in for a service, and no way out: it answers nothing, and nothing that a service may read depends on the answer. When ten
-- thousand batches wait, since nobody answers them, further ones are dropped.
create function tenancy.ask_silent(batch bytea) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  insert into tenancy.silent_questions (sealed)
  select batch
  where coalesce((select q.seq from tenancy.silent_questions q order by q.seq desc limit 1)
    - (select q.seq from tenancy.silent_questions q order by q.seq limit 1), 0) < 10000;
$$;
grant execute on function tenancy.ask_silent(bytea) to {{catalog}};
