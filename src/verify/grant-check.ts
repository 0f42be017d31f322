import type { Sql } from 'postgres';
import { type CheckResult, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding } from './finding.ts';

interface GrantFacts { readonly object: string; readonly grantee: string; readonly privilege: string }

/** Nobody but the owner has more than services need: rows of tenant tables, reading reference tables, no keys, nothing to create. */
export async function checkGrants(sql: Sql, database: VerifiedDatabase): Promise<CheckResult> {
  const tables = await sql<GrantFacts[]>`
    select n.nspname || '.' || c.relname as object, case when g.grantee = 0 then 'PUBLIC' else pg_catalog.pg_get_userbyid(g.grantee)::text end as grantee, g.privilege_type as privilege
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace, pg_catalog.aclexplode(c.relacl) g
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and g.grantee <> c.relowner and c.relkind in ('r', 'p', 'v', 'm', 'f')`;
  const schemas = await sql<GrantFacts[]>`
    select n.nspname::text as object, case when g.grantee = 0 then 'PUBLIC' else pg_catalog.pg_get_userbyid(g.grantee)::text end as grantee, g.privilege_type as privilege
    from pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) g
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and g.grantee <> n.nspowner`;
  const wide = await sql<GrantFacts[]>`
    select d.datname::text as object, case when g.grantee = 0 then 'PUBLIC' else pg_catalog.pg_get_userbyid(g.grantee)::text end as grantee, g.privilege_type as privilege
    from pg_catalog.pg_database d, pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) g
    where d.datname = current_database() and g.grantee <> d.datdba`;
  const columns = await sql<GrantFacts[]>`
    select n.nspname || '.' || c.relname || '.' || a.attname as object, case when g.grantee = 0 then 'PUBLIC' else pg_catalog.pg_get_userbyid(g.grantee)::text end as grantee, g.privilege_type as privilege
    from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace, pg_catalog.aclexplode(a.attacl) g
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and g.grantee <> c.relowner`;
  const tenantSchemas = new Set(database.schemas.map(({ schema }) => schema));
  const allowed = ({ object, grantee, privilege }: GrantFacts): boolean => {
    if (grantee !== database.appRole) return false;
    const [schema, name] = object.split('.');
    if (schema === 'reference') return privilege === 'SELECT';
    return tenantSchemas.has(schema ?? '') && name !== 'pgmigrations' && ['SELECT', 'INSERT', 'UPDATE', 'DELETE'].includes(privilege);
  };
  const findings: Finding[] = [
    ...tables.filter((grant) => !allowed(grant)).map((grant) => excess(database, 'grant-excess', grant)),
    ...columns.map((grant) => excess(database, 'column-grant', grant)),
    ...schemas.filter(({ grantee, privilege }) => !(grantee === database.appRole && privilege === 'USAGE')).filter(notOwner(database)).map((grant) => excess(database, 'schema-grant-excess', grant)),
    ...wide.filter(({ grantee, privilege }) => !(grantee === database.appRole && privilege === 'CONNECT')).map((grant) => excess(database, 'database-grant-excess', grant)),
  ];
  return { findings, checked: tables.length + schemas.length + wide.length + columns.length };
}

/** Schema public is owned by a role of PostgreSQL's own: what the database's owner has there is no excess. */
function notOwner(database: VerifiedDatabase): (grant: GrantFacts) => boolean {
  return ({ grantee }) => grantee !== database.ownerRole && grantee !== 'pg_database_owner';
}

function excess(database: VerifiedDatabase, id: string, { object, grantee, privilege }: GrantFacts): Finding {
  return {
    id, severity: 'critical', location: locate(database, object), message: `"${grantee}" has ${privilege}.`,
    remedy: `revoke ${privilege.toLowerCase()} from ${grantee}, or run \`tenancy migrate up\`.`,
  };
}
