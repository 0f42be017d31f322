-- The signed context: who a session is, proven to PostgreSQL by a key that no session can read.
create schema tenancy;
revoke all on schema tenancy from public;

-- New functions are PUBLIC's to execute unless that is taken back before they are made; here and in the schemas that tenants get.
alter default privileges for role {{owner}} revoke execute on functions from public;

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

-- What the session's context says: a tenant's id, `*` for maintenance, NULL without one. A context that was not signed for this database,
-- this login, this backend and this time is refused aloud. It runs as whoever calls it, which only the functions below can, and they
-- are their owner's: a SECURITY DEFINER and a SET of its own would cost every statement of every tenant two microseconds again.
create function tenancy.verified_context() returns text
  language plpgsql stable parallel restricted as $$
declare
  -- Not NULL but '' once a transaction on this connection has set it.
  context constant text := pg_catalog.current_setting('tenancy.context', true);
  part text[];
  inner_pad bytea;
  outer_pad bytea;
begin
  if context is null or context = '' then return null; end if;
  part := pg_catalog.string_to_array(context, ':');
  if pg_catalog.cardinality(part) <> 8 or part[1] <> 'v1' then
    raise exception 'tenancy: context refused (malformed)' using errcode = '42501';
  end if;
  select k.inner_pad, k.outer_pad into inner_pad, outer_pad from tenancy.context_keys k where k.key_id = part[2];
  if inner_pad is null then
    raise exception 'tenancy: context refused (key)' using errcode = '42501';
  end if;
  -- Both sides are hashed once more, so that how long the comparison takes says nothing about the signature.
  if pg_catalog.sha256(pg_catalog.convert_to(part[8], 'UTF8')) is distinct from pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.encode(
    pg_catalog.sha256(outer_pad || pg_catalog.sha256(inner_pad || pg_catalog.convert_to(
      part[1] || ':' || part[2] || ':' || part[3] || ':' || pg_catalog.current_database() || ':' || part[4] || ':' || part[5] || ':' || part[6] || ':' || part[7],
      'UTF8'))), 'hex'), 'UTF8'))
  then
    raise exception 'tenancy: context refused (signature)' using errcode = '42501';
  end if;
  -- From here on every field is one that we signed.
  if part[4] <> session_user then
    raise exception 'tenancy: context refused (audience)' using errcode = '42501';
  end if;
  -- 30 s for clocks that differ.
  if part[5]::bigint + 30 < extract(epoch from pg_catalog.statement_timestamp()) then
    raise exception 'tenancy: context refused (expired)' using errcode = '42501';
  end if;
  -- 0 stands for a lane behind a pooler, which has no backend of its own.
  if part[6] <> '0' and part[6] <> pg_catalog.pg_backend_pid()::text then
    raise exception 'tenancy: context refused (backend)' using errcode = '42501';
  end if;
  if part[3] = '*' and session_user <> {{'owner'}} then
    raise exception 'tenancy: context refused (maintenance)' using errcode = '42501';
  end if;
  return part[3];
end
$$;

-- The tenant that the session is, or NULL: no context means no rows and no writes. Maintenance is nobody's tenant.
create function tenancy.current_tenant_id() returns text
  language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp as $$
begin
  return nullif(tenancy.verified_context(), '*');
end
$$;

-- For schemas that belong to one tenant: any other context is refused aloud, so that the attempt is seen.
create function tenancy.require_tenant(owner_id text) returns text
  language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp as $$
declare
  context constant text := tenancy.verified_context();
begin
  if context <> owner_id then
    raise exception 'tenancy: tenant % may not use rows of tenant %', context, owner_id using errcode = '42501';
  end if;
  return context;
end
$$;

-- True in the owner's own session under a signed maintenance context: for migrations of tables that all tenants of a pool share.
create function tenancy.in_maintenance() returns boolean
  language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce(tenancy.verified_context() = '*', false);
end
$$;

-- A row never changes hands, not even under a context that sees both tenants.
create function tenancy.refuse_tenant_change() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'tenancy: tenant_id of %.% can''t be changed', tg_table_schema, tg_table_name using errcode = '42501';
end
$$;

revoke all on function tenancy.verified_context(), tenancy.current_tenant_id(), tenancy.require_tenant(text), tenancy.in_maintenance(),
  tenancy.refuse_tenant_change() from public;
grant execute on function tenancy.current_tenant_id(), tenancy.require_tenant(text), tenancy.in_maintenance() to {{app}}, {{owner}};
grant usage on schema tenancy to {{app}};
