-- The control plane's own schema. Nothing is for PUBLIC: whoever may use something is named below it.
create schema tenancy authorization {{owner}};
revoke all on schema tenancy from public;
grant usage on schema tenancy to {{catalog}};

-- New functions are executable by PUBLIC unless this is taken back before they are made.
alter default privileges for role {{owner}} revoke execute on functions from public;

-- Which files of migrations/catalog this database has.
create table tenancy.schema_migrations (
  name text primary key,
  checksum text not null check (checksum ~ '^[0-9a-f]{64}$'),
  applied_at timestamptz not null default now()
);
grant select on tenancy.schema_migrations to {{catalog}};

-- Refuses whatever it stands before, also to the owner.
create function tenancy.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using errcode = '42501', message = 'tenancy: ' || tg_op || ' is refused on ' || tg_table_schema || '.' || tg_table_name;
end
$$;

-- Tells every process that caches catalog rows which tenant's changed; `*` means that any may have. The trigger's argument names the
-- column that holds the tenant's id.
create function tenancy.notify_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  changed jsonb;
begin
  if tg_nargs = 0 then
    perform pg_catalog.pg_notify('tenancy_catalog', '*');
    return null;
  end if;
  if tg_op <> 'INSERT' then
    changed := pg_catalog.to_jsonb(old);
    perform pg_catalog.pg_notify('tenancy_catalog', coalesce(changed ->> tg_argv[0], '*'));
  end if;
  if tg_op <> 'DELETE' then
    changed := pg_catalog.to_jsonb(new);
    perform pg_catalog.pg_notify('tenancy_catalog', coalesce(changed ->> tg_argv[0], '*'));
  end if;
  return null;
end
$$;
