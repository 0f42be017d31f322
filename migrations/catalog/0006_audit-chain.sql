-- Every process that writes audit entries: its chain's key, wrapped by the platform KEK. Rows are added and read; nobody changes one.
create table tenancy.audit_writers (
  id uuid primary key,
  provider text not null check (provider <> ''),
  key_ref text not null check (key_ref <> ''),
  key_version text,
  wrapped bytea not null,
  started_at timestamptz not null,
  registered_at timestamptz not null default clock_timestamp(),
  registered_by text not null default session_user
);
create trigger audit_writers_kept before update or delete or truncate on tenancy.audit_writers for each statement execute function tenancy.refuse_change();
alter table tenancy.audit_writers enable always trigger audit_writers_kept;

-- An entry's link: whose chain, its place there, the MAC of the entry before it and its own. Not unique: whoever may append could take the
-- place of an entry that is still to come. Which of two is true is told by its MAC.
alter table tenancy.audit_log
  add column writer uuid,
  add column writer_seq bigint check (writer_seq >= 1),
  add column previous_mac bytea check (octet_length(previous_mac) = 32),
  add column mac bytea check (octet_length(mac) = 32),
  add constraint audit_log_link check (num_nulls(writer, writer_seq, previous_mac, mac) in (0, 4));
create index audit_log_writer on tenancy.audit_log (writer, writer_seq, seq);
create index audit_log_unlinked on tenancy.audit_log (seq) where writer is null;

-- Where the chains begin: up to this entry none had a link. `init` seals what was there before.
create table tenancy.audit_chain_start (
  single boolean primary key default true check (single),
  last_seq bigint not null
);
insert into tenancy.audit_chain_start (last_seq) select coalesce(max(seq), 0) from tenancy.audit_log;
create trigger audit_chain_start_kept before insert or update or delete or truncate on tenancy.audit_chain_start for each statement execute function tenancy.refuse_change();
alter table tenancy.audit_chain_start enable always trigger audit_chain_start_kept;

-- Makes a chain's key known, so that its entries can be checked. Sent again it changes nothing; another key under an id that is taken is refused.
create function tenancy.register_audit_writer(writer jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  given record;
begin
  select w.* into given from pg_catalog.jsonb_to_record(writer) as w (
    id uuid, provider text, key_ref text, key_version text, wrapped text, started_at timestamptz);
  insert into tenancy.audit_writers (id, provider, key_ref, key_version, wrapped, started_at)
  values (given.id, given.provider, given.key_ref, given.key_version, pg_catalog.decode(given.wrapped, 'hex'), given.started_at)
  on conflict (id) do nothing;
  if not found and not exists (
    select from tenancy.audit_writers a
    where a.id = given.id and a.provider = given.provider and a.key_ref = given.key_ref and a.wrapped = pg_catalog.decode(given.wrapped, 'hex')
  ) then
    raise exception using errcode = '23505', constraint = 'audit_writers_pkey', message = 'tenancy: another audit writer has this id';
  end if;
end
$$;
grant execute on function tenancy.register_audit_writer(jsonb) to {{catalog}};

-- The only way in for a service, as before; entries of this release carry their link.
create or replace function tenancy.append_audit(events jsonb) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  added integer;
begin
  insert into tenancy.audit_log (id, at, action, outcome, tenant_id, target_tenant_id, actor, reason, request_id, error_code,
    statement_fingerprint, detail, writer, writer_seq, previous_mac, mac)
  select e.id, e.at, e.action, e.outcome, e.tenant_id, e.target_tenant_id, e.actor, e.reason, e.request_id, e.error_code,
    e.statement_fingerprint, coalesce(e.detail, '{}'), e.writer, e.writer_seq, pg_catalog.decode(e.previous_mac, 'hex'),
    pg_catalog.decode(e.mac, 'hex')
  from pg_catalog.jsonb_array_elements(events) with ordinality as given (event, place)
    cross join lateral pg_catalog.jsonb_to_record(given.event) as e (
      id uuid, at timestamptz, action text, outcome text, tenant_id text, target_tenant_id text, actor text, reason text, request_id text,
      error_code text, statement_fingerprint text, detail jsonb, writer uuid, writer_seq bigint, previous_mac text, mac text)
  order by given.place
  on conflict (id) do nothing;
  get diagnostics added = row_count;
  if added < pg_catalog.jsonb_array_length(events) and exists (
    select from pg_catalog.jsonb_to_recordset(events) as e (
        id uuid, at timestamptz, action text, outcome text, tenant_id text, target_tenant_id text, actor text, reason text, request_id text,
        error_code text, statement_fingerprint text, detail jsonb, mac text)
      join tenancy.audit_log a on a.id = e.id
    where (a.at, a.action, a.outcome, a.tenant_id, a.target_tenant_id, a.actor, a.reason, a.request_id, a.error_code, a.statement_fingerprint,
        a.detail, a.mac)
      is distinct from (e.at, e.action, e.outcome, e.tenant_id, e.target_tenant_id, e.actor, e.reason, e.request_id, e.error_code,
        e.statement_fingerprint, coalesce(e.detail, '{}'), pg_catalog.decode(e.mac, 'hex'))
  ) then
    raise exception using errcode = '23505', constraint = 'audit_log_pkey', message = 'tenancy: another audit entry has this id';
  end if;
  return added;
end
$$;
