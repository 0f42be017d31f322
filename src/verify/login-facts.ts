/** What a login is and may, itself or as any role that it could become. Every field names the first thing that should not be, or is null. */
export interface LoginFacts {
  readonly login: string | null;
  readonly superuser: string | null;
  readonly bypass: string | null;
  readonly creator: string | null;
  readonly replication: string | null;
  readonly predefined: string | null;
  readonly owned: string | null;
  readonly creates: string | null;
  readonly temporary: string | null;
}

/**
 * One statement that says what some roles are and may, with every role that they are members of, however many grants away and whether or
 * not they inherit: `set role` is enough.
 *
 * @param roles SQL for the names: a comma-separated list of expressions
 */
export function loginFactsQuery(roles: string): string {
  return `
    with recursive mine (oid) as (
      select oid from pg_catalog.pg_roles where rolname in (${roles})
      union
      select m.roleid from pg_catalog.pg_auth_members m join mine on m.member = mine.oid
    ), roles as (select r.* from pg_catalog.pg_roles r join mine on mine.oid = r.oid order by r.rolname not in (${roles}), r.rolname)
    select
      (select rolname::text from pg_catalog.pg_roles where rolname in (${roles}) limit 1) as login,
      (select rolname::text from roles where rolsuper limit 1) as superuser,
      (select rolname::text from roles where rolbypassrls limit 1) as bypass,
      (select rolname::text from roles where rolcreaterole limit 1) as creator,
      (select rolname::text from roles where rolreplication limit 1) as replication,
      (select rolname::text from roles where pg_catalog.starts_with(rolname::text, 'pg_') limit 1) as predefined,
      coalesce(
        (select 'the database' from pg_catalog.pg_database d join mine on d.datdba = mine.oid where d.datname = pg_catalog.current_database() limit 1),
        (select 'the schema "' || n.nspname || '"' from pg_catalog.pg_namespace n join mine on n.nspowner = mine.oid where n.nspname !~ '^pg_(toast|temp|toast_temp)' limit 1),
        (select 'the relation "' || c.relname || '"' from pg_catalog.pg_class c join mine on c.relowner = mine.oid where c.relpersistence <> 't' and c.relkind not in ('t', 'i', 'I') limit 1),
        (select 'the function "' || p.proname || '"' from pg_catalog.pg_proc p join mine on p.proowner = mine.oid limit 1)
      ) as owned,
      coalesce(
        (select 'the database' from mine where pg_catalog.has_database_privilege(mine.oid, pg_catalog.current_database(), 'create') limit 1),
        (select 'the schema "' || n.nspname || '"' from pg_catalog.pg_namespace n, mine
         where n.nspname !~ '^pg_(toast|temp)' and n.nspname not in ('pg_catalog', 'information_schema') and pg_catalog.has_schema_privilege(mine.oid, n.oid, 'create') limit 1)
      ) as creates,
      (select r.rolname::text from roles r where pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'temporary') limit 1) as temporary`;
}

/** Why a service may not use such a login, as the end of a sentence; undefined when it may. */
export function loginRefusal(facts: LoginFacts): string | undefined {
  const through = (role: string): string => (role === facts.login ? '' : `, through its membership of "${role}"`);
  if (facts.superuser !== null) return `is a superuser${through(facts.superuser)}`;
  if (facts.bypass !== null) return `has BYPASSRLS${through(facts.bypass)}`;
  if (facts.creator !== null) return `has CREATEROLE${through(facts.creator)}`;
  if (facts.replication !== null) return `has REPLICATION${through(facts.replication)}`;
  if (facts.owned !== null) return `owns ${facts.owned}`;
  if (facts.predefined !== null) return `is a member of "${facts.predefined}"`;
  if (facts.creates !== null) return `may create objects in ${facts.creates}`;
  if (facts.temporary !== null) return `may make temporary tables${through(facts.temporary)}`;
  return undefined;
}
