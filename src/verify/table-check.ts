import type { Sql } from 'postgres';
import { type CheckResult, locate, type VerifiedDatabase, type VerifiedSchema } from './database-check.ts';
import { expectedPolicies } from './expected-policies.ts';
import type { Finding } from './finding.ts';

interface TableFacts {
  readonly name: string;
  readonly enabled: boolean;
  readonly forced: boolean;
  readonly scoped: boolean;
  readonly immutable: boolean;
  readonly owner: string;
  readonly policies: readonly { readonly name: string; readonly permissive: string; readonly command: string; readonly roles: string; readonly using: string | null; readonly check: string | null }[];
}

/** Every tenant table: row-level security enabled and forced, exactly the policies that the package installs, tenant_id there and immutable. */
export async function checkTables(sql: Sql, database: VerifiedDatabase): Promise<CheckResult> {
  const [version] = await sql<{ major: number }[]>`select pg_catalog.current_setting('server_version_num')::int / 10000 as major`;
  const findings: Finding[] = [];
  let checked = 0;
  for (const schema of database.schemas) {
    for (const table of await tablesOf(sql, schema.schema)) {
      findings.push(...tableFindings(database, schema, table, version?.major ?? 0));
      checked += 1;
    }
  }
  return { findings, checked };
}

function tableFindings(database: VerifiedDatabase, schema: VerifiedSchema, table: TableFacts, major: number): Finding[] {
  const location = locate(database, `${schema.schema}.${table.name}`);
  const remedy = 'Run `tenancy migrate up`: it installs policies, triggers and grants anew.';
  const critical = (id: string, message: string): Finding => ({ id, severity: 'critical', location, message, remedy });
  const found: Finding[] = [];
  if (!table.enabled) found.push(critical('rls-disabled', 'Row-level security is not enabled: every row is visible.'));
  if (!table.forced) found.push(critical('rls-not-forced', 'Row-level security is not forced: the owner is above it.'));
  if (!table.scoped) found.push(critical('no-tenant-id', 'There is no column tenant_id text not null.'));
  if (!table.immutable) found.push(critical('tenant-id-mutable', 'The trigger that keeps tenant_id from changing is missing or disabled.'));
  if (table.owner !== database.ownerRole) found.push(critical('foreign-owner', `The table is owned by "${table.owner}", not by "${database.ownerRole}".`));
  const expected = expectedPolicies(schema, database.ownerRole, major);
  for (const policy of expected) {
    const actual = table.policies.find(({ name }) => name === policy.name);
    if (actual === undefined) {
      found.push(critical('policy-missing', `The policy ${policy.name} is missing.`));
    } else if (
      fold(actual.using) !== policy.predicate || fold(actual.check) !== policy.predicate || actual.command !== policy.command ||
      actual.roles !== policy.roles || (actual.permissive === 'PERMISSIVE') !== policy.permissive
    ) {
      found.push(critical('policy-changed', `The policy ${policy.name} is not the one that this package installs.`));
    }
  }
  for (const { name } of table.policies) {
    if (!expected.some((policy) => policy.name === name)) found.push({ ...critical('policy-unknown', `There is a policy ${name} that this package does not install.`), remedy: `drop policy ${name}, or find out who needs it.` });
  }
  return found;
}

function fold(expression: string | null): string {
  return (expression ?? '').replace(/\s+/g, ' ');
}

async function tablesOf(sql: Sql, schema: string): Promise<readonly TableFacts[]> {
  return await sql<TableFacts[]>`
    select c.relname::text as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced, pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
      exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.atttypid = 'pg_catalog.text'::pg_catalog.regtype and a.attnotnull) as scoped,
      exists (select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = c.oid and t.tgname = 'tenancy_tenant_immutable' and t.tgenabled in ('O', 'A') and p.oid = 'tenancy.refuse_tenant_change()'::pg_catalog.regprocedure) as immutable,
      coalesce((
        select pg_catalog.json_agg(pg_catalog.json_build_object('name', p.policyname, 'permissive', p.permissive, 'command', p.cmd, 'roles', p.roles::text, 'using', p.qual, 'check', p.with_check))
        from pg_catalog.pg_policies p where p.schemaname = n.nspname and p.tablename = c.relname), '[]'::json) as policies
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind in ('r', 'p') and c.relname <> 'pgmigrations'
    order by c.relname`;
}
