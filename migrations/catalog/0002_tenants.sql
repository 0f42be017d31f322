-- Every tenant that is or ever was. A row is never deleted, so that an id can't come to mean somebody else.
create table tenancy.tenants (
  id text primary key check (id ~ '^[a-z][a-z0-9-]{0,47}$'),
  name text not null check (name <> ''),
  tier text not null check (tier <> ''),
  region text not null check (region <> ''),
  data_residency text[] not null,
  status text not null check (status in ('provisioning', 'active', 'suspended', 'offboarded')),
  config jsonb not null check (jsonb_typeof(config) = 'object'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint tenants_region_allowed check (region = any (data_residency))
);

create function tenancy.keep_tenant() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if new.id <> old.id then
    raise exception using errcode = '42501', message = 'tenancy: the id of a tenant never changes';
  end if;
  if old.status = 'offboarded' and new.status <> 'offboarded' then
    raise exception using errcode = '42501', message = 'tenancy: an offboarded tenant never comes back';
  end if;
  return new;
end
$$;

create trigger tenants_kept before update on tenancy.tenants for each row execute function tenancy.keep_tenant();
create trigger tenants_never_deleted before delete or truncate on tenancy.tenants for each statement execute function tenancy.refuse_change();
create trigger tenants_changed after insert or update on tenancy.tenants for each row execute function tenancy.notify_change('id');

-- PostgreSQL servers that tenants can be placed on. Holds no secret.
create table tenancy.clusters (
  id text primary key check (id <> '' and id !~ '[:/]'),
  region text not null check (region <> ''),
  host text not null check (host <> ''),
  port integer not null check (port between 1 and 65535),
  role_prefix text not null check (role_prefix ~ '^[a-z][a-z0-9_]{0,7}$'),
  dedicated boolean not null default false,
  pooled boolean not null default false,
  max_lanes integer not null check (max_lanes > 0),
  tls text not null check (tls in ('disable', 'verify-full')),
  created_at timestamptz not null default now()
);
create trigger clusters_changed after insert or update or delete or truncate on tenancy.clusters for each statement execute function tenancy.notify_change();

-- Where a tenant's rows are. Only tenants of row isolation share a schema.
create table tenancy.placements (
  tenant_id text primary key references tenancy.tenants (id),
  cluster_id text not null references tenancy.clusters (id),
  database text not null check (database <> ''),
  schema text not null check (schema <> ''),
  isolation text not null check (isolation in ('row', 'schema', 'database')),
  epoch bigint not null default 1 check (epoch >= 1),
  schema_version text not null default ''
);
create unique index placements_schema on tenancy.placements (cluster_id, database, schema) where isolation <> 'row';
create index placements_place on tenancy.placements (cluster_id, database, schema);

-- One schema is shared by everybody in it or by nobody; and an epoch never goes back, or a stale route would look fresh.
create function tenancy.keep_placement() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' and (new.tenant_id <> old.tenant_id or new.epoch < old.epoch) then
    raise exception using errcode = '42501', message = 'tenancy: a placement keeps its tenant, and its epoch only grows';
  end if;
  -- Two placements of one schema that are made at the same time would not see each other.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('tenancy:placement:' || new.cluster_id || '/' || new.database || '/' || new.schema, 0));
  if exists (
    select from tenancy.placements p
    where p.cluster_id = new.cluster_id and p.database = new.database and p.schema = new.schema and p.tenant_id <> new.tenant_id
      and (p.isolation = 'row') <> (new.isolation = 'row')
  ) then
    raise exception using errcode = '23505', constraint = 'placements_schema', message = 'tenancy: a schema is shared by everybody in it or by nobody';
  end if;
  return new;
end
$$;
create trigger placements_kept before insert or update on tenancy.placements for each row execute function tenancy.keep_placement();
create trigger placements_changed after insert or update or delete on tenancy.placements for each row execute function tenancy.notify_change('tenant_id');
create trigger placements_emptied after truncate on tenancy.placements for each statement execute function tenancy.notify_change();

grant select on tenancy.tenants, tenancy.clusters, tenancy.placements to {{catalog}};
