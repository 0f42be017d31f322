-- The signed context: who a session is, proven to PostgreSQL by a key that no session can read.
create schema tenancy;
revoke all on schema tenancy from public;

create table tenancy.schema_migrations (
  name text primary key,
  checksum text not null,
  applied_at timestamptz not null default now()
);

-- HMAC's two padded keys (RFC 2104), computed once when the key is installed: verifying then costs two hashes.
create table tenancy.context_keys (
  key_id text primary key check (key_id ~ '^[a-z0-9]{1,16}$'),
  inner_pad bytea not null check (octet_length(inner_pad) = 64),
  outer_pad bytea not null check (octet_length(outer_pad) = 64),
  created_at timestamptz not null default now()
);
revoke all on tenancy.context_keys from public;

-- The tenant of the session's context, or NULL without one: no context means no rows and no writes. A context that was not signed
-- for this database, this login, this backend and this time is refused aloud.
-- `current_setting` answers '' and not NULL once a transaction on the connection has set it.
create function tenancy.verified_context() returns text
  language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp as $$
declare
  context text := nullif(current_setting('tenancy.context', true), '');
  part text[];
  keys record;
  expected text;
begin
  if context is null then return null; end if;
  part := string_to_array(context, ':');
  if cardinality(part) <> 8 or part[1] <> 'v1' or part[5] !~ '^[0-9]{1,12}$' or part[6] !~ '^[0-9]{1,10}$' then
    raise exception 'tenancy: context refused (malformed)' using errcode = '42501';
  end if;
  select k.inner_pad, k.outer_pad into keys from tenancy.context_keys k where k.key_id = part[2];
  if not found then
    raise exception 'tenancy: context refused (key)' using errcode = '42501';
  end if;
  expected := encode(sha256(keys.outer_pad || sha256(keys.inner_pad || convert_to(
    concat_ws(':', part[1], part[2], part[3], current_database(), part[4], part[5], part[6], part[7]), 'UTF8'))), 'hex');
  -- Both sides are hashed again, so that how long the comparison takes says nothing about the signature.
  if sha256(convert_to(expected, 'UTF8')) <> sha256(convert_to(part[8], 'UTF8')) then
    raise exception 'tenancy: context refused (signature)' using errcode = '42501';
  end if;
  if part[4] <> session_user then
    raise exception 'tenancy: context refused (audience)' using errcode = '42501';
  end if;
  -- Pid 0 stands for a lane behind a pooler, which has no backend of its own.
  if part[6] <> '0' and part[6]::bigint <> pg_backend_pid() then
    raise exception 'tenancy: context refused (backend)' using errcode = '42501';
  end if;
  if to_timestamp(part[5]::double precision) + interval '30 seconds' < statement_timestamp() then
    raise exception 'tenancy: context refused (expired)' using errcode = '42501';
  end if;
  return part[3];
end
$$;
revoke all on function tenancy.verified_context() from public;

create function tenancy.current_tenant_id() returns text
  language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp as $$
declare
  context text := tenancy.verified_context();
begin
  -- The maintenance context is nobody's tenant.
  if context = '*' then return null; end if;
  return context;
end
$$;
revoke all on function tenancy.current_tenant_id() from public;
grant execute on function tenancy.current_tenant_id() to {{app}}, {{owner}};

-- For schemas that belong to one tenant: another tenant's context is refused aloud, so that the attempt is seen.
create function tenancy.require_tenant(owner_id text) returns text
  language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp as $$
declare
  context text := tenancy.current_tenant_id();
begin
  if context <> owner_id then
    raise exception 'tenancy: tenant % may not use rows of tenant %', context, owner_id using errcode = '42501';
  end if;
  return context;
end
$$;
revoke all on function tenancy.require_tenant(text) from public;
grant execute on function tenancy.require_tenant(text) to {{app}}, {{owner}};

-- True for the owner's own session under a signed maintenance context: migrations of tables that all tenants of a pool share.
create function tenancy.in_maintenance() returns boolean
  language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp as $$
begin
  if session_user <> {{'owner'}} then return false; end if;
  return coalesce(tenancy.verified_context() = '*', false);
end
$$;
revoke all on function tenancy.in_maintenance() from public;
grant execute on function tenancy.in_maintenance() to {{app}}, {{owner}};

-- A row never changes hands, not even under a context that may see both tenants.
create function tenancy.refuse_tenant_change() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'tenancy: tenant_id of %.% can''t be changed', tg_table_schema, tg_table_name using errcode = '42501';
end
$$;
revoke all on function tenancy.refuse_tenant_change() from public;
grant execute on function tenancy.refuse_tenant_change() to {{app}}, {{owner}};

grant usage on schema tenancy to {{app}};
