import type { Sql } from 'postgres';
import { type CheckResult, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding, Severity } from './finding.ts';

interface ObjectFacts { readonly object: string; readonly kind: 'view' | 'matview' | 'foreign' | 'definer' | 'role-setting' | 'membership' | 'attribute'; readonly detail: string | null }

const rules: Readonly<Record<ObjectFacts['kind'], { readonly id: string; readonly severity: Severity; readonly message: string; readonly remedy: string }>> = {
  view: { id: 'view-not-invoker', severity: 'critical', message: 'A view runs as its owner, past the caller’s policies.', remedy: 'Create it with (security_invoker = true).' },
  matview: { id: 'materialised-view', severity: 'error', message: 'A materialised view holds rows that no policy protects.', remedy: 'Drop it, or keep it out of the service login’s reach.' },
  foreign: { id: 'foreign-table', severity: 'error', message: 'A foreign table has no row-level security.', remedy: 'Drop it, or keep it out of the service login’s reach.' },
  definer: { id: 'definer-search-path', severity: 'critical', message: 'A SECURITY DEFINER function has no pinned search_path.', remedy: 'alter function … set search_path = pg_catalog, pg_temp.' },
  'role-setting': { id: 'role-setting', severity: 'warning', message: 'The service login has settings of its own.', remedy: 'alter role … reset all, unless they are meant.' },
  membership: { id: 'login-membership', severity: 'critical', message: 'The service login is a member of another role.', remedy: 'revoke the membership.' },
  attribute: { id: 'login-attribute', severity: 'critical', message: 'The service login could step over row-level security.', remedy: 'alter role … nosuperuser nobypassrls nocreaterole nocreatedb noreplication.' },
};

/** Objects that go past policies: views of their owner's, materialised views, foreign tables, loose definer functions; and the service login itself. */
export async function checkObjects(sql: Sql, database: VerifiedDatabase): Promise<CheckResult> {
  const objects = await sql<ObjectFacts[]>`
    select n.nspname || '.' || c.relname as object, case c.relkind when 'v' then 'view' when 'm' then 'matview' else 'foreign' end as kind, null as detail
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and not (c.relkind = 'v' and coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1', 'security_invoker=yes'], false))
      and not exists (select from pg_catalog.pg_depend d where d.objid = c.oid and d.deptype = 'e')
    union all
    select n.nspname || '.' || p.proname, 'definer', null
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and not coalesce(exists (select from pg_catalog.unnest(p.proconfig) s where s ~ '^search_path='), false)
      and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')
    union all
    select r.rolname, 'role-setting', null
    from pg_catalog.pg_db_role_setting s join pg_catalog.pg_roles r on r.oid = s.setrole where r.rolname = ${database.appRole}
    union all
    select r.rolname, 'membership', g.rolname
    from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.member join pg_catalog.pg_roles g on g.oid = m.roleid where r.rolname = ${database.appRole}
    union all
    select r.rolname, 'attribute', null from pg_catalog.pg_roles r
    where r.rolname = ${database.appRole} and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication)`;
  const [count] = await sql<{ n: number }[]>`
    select (select pg_catalog.count(*) from pg_catalog.pg_proc where prosecdef)::int
      + (select pg_catalog.count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema')::int + 1 as n`;
  return { checked: count?.n ?? 0, findings: objects.map(({ object, kind, detail }) => findingOf(database, object, kind, detail)) };
}

function findingOf(database: VerifiedDatabase, object: string, kind: ObjectFacts['kind'], detail: string | null): Finding {
  const { id, severity, message, remedy } = rules[kind];
  return { id, severity, location: locate(database, object), message: detail === null ? message : `${message} (${detail})`, remedy };
}
