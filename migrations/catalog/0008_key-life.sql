-- A data key that services can read with and none writes with yet; a KEK that nothing is wrapped by yet.
alter table tenancy.data_keys drop constraint data_keys_state_check;
alter table tenancy.data_keys add constraint data_keys_state_check check (state in ('pending', 'active', 'retired'));
alter table tenancy.keks drop constraint keks_state_check;
alter table tenancy.keks add constraint keks_state_check check (state in ('pending', 'active', 'retired', 'destroyed'));

-- What every process that may hold a tenant's keys is told: to fetch them anew, or to forget them.
create table tenancy.key_notices (
  seq bigint primary key,
  tenant_id text not null references tenancy.tenants (id),
  kind text not null check (kind in ('reload', 'forget')),
  at timestamptz not null default clock_timestamp()
);

-- The processes that may hold keys, and how far each has followed the notices. Keys outlive a process's last word by `key_life_ms` at most.
create table tenancy.processes (
  id uuid primary key,
  name text not null check (length(name) between 1 and 200),
  key_life_ms bigint not null check (key_life_ms between 0 and 604800000),
  providers text[] not null,
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  acknowledged bigint not null
);

-- Numbers are given one after the other: who has followed a notice has followed all before it, also those that were written at the same time.
create function tenancy.notify_processes(tenant text, kind text) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  number bigint;
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('tenancy:key-notices', 0));
  insert into tenancy.key_notices (seq, tenant_id, kind)
  select coalesce(max(n.seq), 0) + 1, tenant, notify_processes.kind from tenancy.key_notices n
  returning seq into number;
  delete from tenancy.processes p where p.seen_at + p.key_life_ms * interval '1 millisecond' < clock_timestamp() - interval '7 days';
  perform pg_catalog.pg_notify('tenancy_keys', number::text);
  return number;
end
$$;

-- A process's word that it lives and has followed the notices up to a number; answers those that are still to be followed. One that comes
-- new has no keys yet, so nothing that was told before concerns it.
create function tenancy.keep_process(process jsonb) returns table (seq bigint, tenant_id text, kind text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  given record;
  followed bigint;
begin
  select p.* into given from pg_catalog.jsonb_to_record(process) as p (id uuid, name text, key_life_ms bigint, providers jsonb, acknowledged bigint);
  insert into tenancy.processes as known (id, name, key_life_ms, providers, acknowledged)
  values (given.id, given.name, given.key_life_ms, array(select pg_catalog.jsonb_array_elements_text(given.providers)),
    coalesce(given.acknowledged, (select max(n.seq) from tenancy.key_notices n), 0))
  on conflict (id) do update set seen_at = clock_timestamp(), acknowledged = greatest(known.acknowledged, excluded.acknowledged)
  returning acknowledged into followed;
  return query select n.seq, n.tenant_id, n.kind from tenancy.key_notices n where n.seq > followed order by n.seq;
end
$$;

-- A process that has ended holds no keys.
create function tenancy.end_process(process uuid) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  delete from tenancy.processes p where p.id = process;
$$;
grant execute on function tenancy.keep_process(jsonb), tenancy.end_process(uuid) to {{catalog}};

-- Replacing a tenant's data key: which step it has come to, and how far each column's rows are.
create table tenancy.key_rotations (
  tenant_id text not null references tenancy.tenants (id),
  version integer not null check (version > 1),
  step text not null check (step in ('published', 'current', 'done')),
  notice bigint not null references tenancy.key_notices (seq),
  progress jsonb not null default '{}' check (jsonb_typeof(progress) = 'object'),
  actor text,
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  primary key (tenant_id, version)
);
create unique index key_rotations_one on tenancy.key_rotations (tenant_id) where step <> 'done';

-- Tenants whose keys were destroyed, with what proves it.
create table tenancy.key_shreds (
  tenant_id text primary key references tenancy.tenants (id),
  at timestamptz not null default clock_timestamp(),
  actor text not null check (actor <> ''),
  reason text not null check (reason <> ''),
  forced boolean not null,
  notice bigint not null references tenancy.key_notices (seq),
  keys jsonb not null check (jsonb_typeof(keys) = 'array'),
  told jsonb not null check (jsonb_typeof(told) = 'array'),
  certificate jsonb
);
create function tenancy.keep_shred() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if (new.tenant_id, new.at, new.actor, new.reason, new.forced, new.notice, new.keys, new.told)
    is distinct from (old.tenant_id, old.at, old.actor, old.reason, old.forced, old.notice, old.keys, old.told) then
    raise exception using errcode = '42501', message = 'tenancy: what was shredded stays as it was recorded';
  end if;
  return new;
end
$$;
create trigger key_shreds_kept before update on tenancy.key_shreds for each row execute function tenancy.keep_shred();
create trigger key_shreds_never_deleted before delete or truncate on tenancy.key_shreds for each statement execute function tenancy.refuse_change();

-- A tenant that was shredded gets no new keys: rows under them would look like rows that were saved.
create function tenancy.refuse_keys_after_shred() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from tenancy.key_shreds s where s.tenant_id = new.tenant_id) then
    raise exception using errcode = '42501', message = 'tenancy: the keys of tenant ' || new.tenant_id || ' were shredded';
  end if;
  return new;
end
$$;
create trigger data_keys_not_after_shred before insert on tenancy.data_keys for each row execute function tenancy.refuse_keys_after_shred();

-- What certificates are signed with: Ed25519 keys, their seeds wrapped by the platform KEK.
create table tenancy.certificate_keys (
  key_id text primary key check (key_id ~ '^c[0-9]{1,9}$'),
  provider text not null check (provider <> ''),
  key_ref text not null check (key_ref <> ''),
  key_version text,
  wrapped bytea not null,
  public_key bytea not null check (octet_length(public_key) = 32),
  created_at timestamptz not null default now()
);

-- Since when a tenant has no keys any more: what a service tells whoever asks for them, and nothing of who ordered it or why.
create function tenancy.keys_shredded_at(tenant text) returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select s.at from tenancy.key_shreds s where s.tenant_id = tenant;
$$;
grant execute on function tenancy.keys_shredded_at(text) to {{catalog}};
