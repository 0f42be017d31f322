-- Keys in key managers that wrap others. Without a tenant: the platform's.
create table tenancy.keks (
  id uuid primary key default gen_random_uuid(),
  provider text not null check (provider <> ''),
  key_ref text not null check (key_ref <> ''),
  region text not null check (region <> ''),
  protection text not null check (protection in ('software', 'hsm')),
  tenant_id text references tenancy.tenants (id),
  state text not null default 'active' check (state in ('active', 'retired', 'destroyed')),
  created_at timestamptz not null default now()
);
create index keks_tenant on tenancy.keks (tenant_id);
create trigger keks_changed after insert or update or delete on tenancy.keks for each row execute function tenancy.notify_change('tenant_id');

-- A tenant's data keys and blind-index secret, wrapped by a KEK.
create table tenancy.data_keys (
  tenant_id text not null references tenancy.tenants (id),
  purpose text not null check (purpose in ('data', 'blind-index')),
  version integer not null check (version >= 1),
  kek_id uuid not null references tenancy.keks (id),
  provider text not null check (provider <> ''),
  key_ref text not null check (key_ref <> ''),
  key_version text,
  wrapped bytea not null,
  state text not null default 'active' check (state in ('active', 'retired')),
  created_at timestamptz not null default now(),
  primary key (tenant_id, purpose, version)
);
create index data_keys_kek on tenancy.data_keys (kek_id);
create trigger data_keys_changed after insert or update or delete on tenancy.data_keys for each row execute function tenancy.notify_change('tenant_id');

-- Masters that the databases' context keys are derived from, wrapped by the platform KEK.
create table tenancy.context_masters (
  key_id text primary key check (key_id ~ '^[a-z][a-z0-9]{0,15}$'),
  provider text not null check (provider <> ''),
  key_ref text not null check (key_ref <> ''),
  key_version text,
  wrapped bytea not null,
  created_at timestamptz not null default now(),
  retired_at timestamptz
);
create trigger context_masters_changed after insert or update or delete or truncate on tenancy.context_masters for each statement execute function tenancy.notify_change();

-- Logins of tenant databases, passwords sealed by the platform KEK. One of each kind for a database; services can't read the owner's.
create table tenancy.service_credentials (
  cluster_id text not null,
  database text not null,
  login text not null,
  sealed bytea not null,
  created_at timestamptz not null default now(),
  primary key (cluster_id, database)
);
create trigger service_credentials_changed after insert or update or delete or truncate on tenancy.service_credentials for each statement execute function tenancy.notify_change();

create table tenancy.owner_credentials (
  cluster_id text not null,
  database text not null,
  login text not null,
  sealed bytea not null,
  created_at timestamptz not null default now(),
  primary key (cluster_id, database)
);

grant select on tenancy.keks, tenancy.data_keys, tenancy.context_masters, tenancy.service_credentials to {{catalog}};
