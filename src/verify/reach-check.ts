import type { Sql, TransactionSql } from 'postgres';
import { type CheckResult, type DatabaseCheck, locate } from './database-check.ts';
import type { Finding, Severity } from './finding.ts';

/** Extensions with functions that take a tenant's session past its policies, and how. */
const reaching: readonly (readonly [names: readonly string[], severity: Severity, threat: string])[] = [
  [
    [
      'dblink',
      'postgres_fdw',
      'file_fdw',
      'mysql_fdw',
      'oracle_fdw',
      'tds_fdw',
      'http',
      'pg_net',
      'plproxy',
      'pg_cron',
      'pg_background',
      'adminpack',
      'lo',
    ],
    'error',
    'open connections, files or sessions of its own, where no context and no lane is',
  ],
  [['plpython3u', 'plperlu', 'pltclu', 'plsh', 'pljava'], 'error', 'run code outside the database'],
  [['tablefunc', 'xml2'], 'warning', 'run statements out of texts, which nobody can look at before'],
  [
    [
      'pg_stat_statements',
      'pg_stat_monitor',
      'pg_buffercache',
      'pageinspect',
      'pgstattuple',
      'pgrowlocks',
      'pg_visibility',
      'pg_freespacemap',
      'pg_walinspect',
    ],
    'warning',
    'see other tenants’ statements, pages, locks or sizes',
  ],
];

/** What a superuser may have added to a database and nothing of this package installs: ways past policies that no grant on a table shows. */
export const checkReach: DatabaseCheck = async (sql, database) => {
  const place = (object: string): string => locate(database, object);
  const results = [
    await extensions(sql, database.appRole, place),
    await leakproof(sql, place),
    await parameters(sql, database.appRole, place),
    await servers(sql, database.appRole, place),
    await publications(sql, place),
    await rules(sql, place),
  ];
  return {
    findings: results.flatMap(({ findings }) => findings),
    checked: results.reduce((sum, { checked }) => sum + checked, 0),
  };
};

type Place = (object: string) => string;

async function extensions(sql: Sql | TransactionSql, appRole: string, place: Place): Promise<CheckResult> {
  const installed = await sql<{ name: string; open: boolean }[]>`
    select e.extname::text as name, exists (
      select from pg_depend d left join pg_proc p on d.classid = 'pg_proc'::regclass and p.oid = d.objid
        left join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid and c.relkind in ('r', 'v', 'm', 'f')
      where d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and d.deptype = 'e'
        and has_schema_privilege(${appRole}, coalesce(p.pronamespace, c.relnamespace), 'usage')
        and (has_function_privilege(${appRole}, p.oid, 'execute') or has_table_privilege(${appRole}, c.oid, 'select'))
    ) as open
    from pg_extension e order by 1`;
  const findings = installed.flatMap(({ name, open }): Finding[] => {
    const known = reaching.find(([names]) => names.includes(name));
    if (!open || known === undefined) return [];
    return [
      {
        id: 'extension-open',
        severity: known[1],
        location: place(`extension ${name}`),
        message: `The service login may use the extension ${name}, and so ${known[2]}.`,
        remedy: 'Drop the extension, or revoke execute on its functions and select on its views from public and the service login.',
      },
    ];
  });
  return { findings, checked: installed.length + 1 };
}

async function leakproof(sql: Sql | TransactionSql, place: Place): Promise<CheckResult> {
  const found = await sql<{ signature: string }[]>`
    select p.oid::regprocedure::text as signature from pg_proc p
    where p.proleakproof and p.oid >= 16384
      and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e') order by 1`;
  const findings = found.map(
    ({ signature }): Finding => ({
      id: 'function-leakproof',
      severity: 'critical',
      location: place(signature),
      message: 'The function is marked leakproof: PostgreSQL calls it with every tenant’s values, before policies are asked.',
      remedy: 'alter function … not leakproof.',
    }),
  );
  return { findings, checked: 1 };
}

async function parameters(sql: Sql | TransactionSql, appRole: string, place: Place): Promise<CheckResult> {
  const [catalog] = await sql<{ exists: boolean }[]>`select to_regclass('pg_catalog.pg_parameter_acl') is not null as exists`;
  // Before PostgreSQL 15 no such right can be given.
  if (catalog?.exists !== true) return { findings: [], checked: 0 };
  const found = await sql<{ name: string; grantee: string }[]>`
    select a.parname as name, case when g.grantee = 0 then 'PUBLIC' else pg_get_userbyid(g.grantee)::text end as grantee
    from pg_parameter_acl a cross join lateral aclexplode(a.paracl) g
    where g.grantee = 0 or pg_get_userbyid(g.grantee) = ${appRole} order by 1, 2`;
  const findings = found.map(
    ({ name, grantee }): Finding => ({
      id: 'parameter-grant',
      severity: 'critical',
      location: place(`parameter ${name}`),
      message: `"${grantee}" may set ${name}, which is a superuser’s: with session_replication_role triggers and foreign keys rest.`,
      remedy: `revoke set, alter system on parameter ${name} from …`,
    }),
  );
  return { findings, checked: 1 };
}

async function servers(sql: Sql | TransactionSql, appRole: string, place: Place): Promise<CheckResult> {
  const found = await sql<{ name: string }[]>`
    select s.srvname::text as name from pg_foreign_server s where has_server_privilege(${appRole}, s.oid, 'usage') order by 1`;
  const findings = found.map(
    ({ name }): Finding => ({
      id: 'foreign-server',
      severity: 'error',
      location: place(`server ${name}`),
      message: 'The service login may use a foreign server: what it reads there knows no tenant.',
      remedy: 'revoke usage on foreign server … from public and the service login.',
    }),
  );
  return { findings, checked: 1 };
}

async function publications(sql: Sql | TransactionSql, place: Place): Promise<CheckResult> {
  const found = await sql<{ name: string }[]>`select p.pubname::text as name from pg_publication p order by 1`;
  const findings = found.map(
    ({ name }): Finding => ({
      id: 'publication',
      severity: 'warning',
      location: place(`publication ${name}`),
      message: 'A publication sends rows of all tenants to its subscribers: policies do not hold there.',
      remedy: 'Drop it, or be sure that every subscriber may see every tenant.',
    }),
  );
  return { findings, checked: 1 };
}

async function rules(sql: Sql | TransactionSql, place: Place): Promise<CheckResult> {
  const found = await sql<{ name: string; relation: string }[]>`
    select r.rulename::text as name, c.oid::regclass::text as relation from pg_rewrite r join pg_class c on c.oid = r.ev_class
    where r.rulename <> '_RETURN' and c.relnamespace <> 'pg_catalog'::regnamespace order by 2, 1`;
  const findings = found.map(
    ({ name, relation }): Finding => ({
      id: 'rule',
      severity: 'warning',
      location: place(`${relation} ${name}`),
      message: 'A rule puts statements of its own beside the caller’s and reads their tables with its owner’s rights.',
      remedy: 'Replace it by a trigger in a migration.',
    }),
  );
  return { findings, checked: 1 };
}
