-- Threat: a table that a migration has just made, or somebody by hand, is open until policies are installed; whoever forgets to has one that
-- stays so. This closes it in the same transaction: row-level security is forced from the first moment, nobody but the owner has a grant or a
-- policy, and the installation of policies replaces that one. Only a superuser can make an event trigger. The function is the superuser's too,
-- since it runs as whoever makes a table; it is called in no other way.
create or replace function tenancy.guard_new_table() returns event_trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  made record;
begin
  for made in
    -- A table that comes with a foreign key is named twice.
    select distinct n.nspname as schema, c.relname as name
    from pg_catalog.pg_event_trigger_ddl_commands() d join pg_catalog.pg_class c on c.oid = d.objid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.relkind in ('r', 'p') and c.relname <> 'pgmigrations' and not c.relrowsecurity
      -- Provisioning marks the schemas of tenants with a comment.
      and (n.nspname = 'reference' or pg_catalog.obj_description(n.oid, 'pg_namespace') like 'tenancy: %')
  loop
    execute pg_catalog.format('alter table %I.%I enable row level security', made.schema, made.name);
    execute pg_catalog.format('alter table %I.%I force row level security', made.schema, made.name);
    execute pg_catalog.format('create policy tenancy_unfinished on %I.%I as permissive for all to %I using (true) with check (true)',
      made.schema, made.name, {{'owner'}});
    execute pg_catalog.format('revoke all on table %I.%I from public, %I', made.schema, made.name, {{'app'}});
  end loop;
end
$$;
revoke all on function tenancy.guard_new_table() from public;
drop event trigger if exists tenancy_guard_new_tables;
create event trigger tenancy_guard_new_tables on ddl_command_end
  when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO') execute function tenancy.guard_new_table();
-- In a session of a replica too.
alter event trigger tenancy_guard_new_tables enable always;
