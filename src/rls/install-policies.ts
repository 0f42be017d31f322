import type { Sql, TransactionSql } from 'postgres';
import { MigrationError } from '../errors.ts';
import { advisoryLockKey } from '../sql/advisory-lock.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import type { Isolation } from '../tenant/tier.ts';
import { referenceTablePolicies, tenantTablePolicies } from './policy.ts';

/** The roles that a database's policies and grants name. */
export interface PolicyRoles {
  readonly ownerRole: string;
  readonly appRole: string;
}

/** A schema of tenant tables. */
export interface PolicySchema extends PolicyRoles {
  readonly schema: string;
  readonly isolation: Isolation;
  /** The tenant that the schema belongs to; undefined under `row` isolation. */
  readonly tenantId: string | undefined;
}

interface Relation { readonly name: string; readonly kind: string; readonly scoped: boolean; readonly invoker: boolean }

/** The migration runner's own table in each schema: no tenant's rows, and nothing that a service needs. */
const runnerTable = 'pgmigrations';

/**
 * Puts every table of a schema under its policies and grants the service login what it needs of them, and nothing else; all in one
 * transaction. Run after every migration: a table is visible to services only from then on.
 *
 * @param owner a client with one connection, logged in as the schema's owner
 * @returns the tables that are now under policies
 * @throws {MigrationError} when a table has no `tenant_id text not null`: nothing is granted then
 */
export async function installPolicies(owner: Sql, options: PolicySchema): Promise<{ readonly tables: readonly string[] }> {
  const { schema, appRole } = options;
  return await owner.begin(async (sql) => {
    await sql`select pg_catalog.pg_advisory_xact_lock(${advisoryLockKey('policies', schema)}::bigint)`;
    const serverMajor = await majorOf(sql);
    const relations = await relationsOf(sql, schema);
    const tables = relations.filter(({ kind, name }) => (kind === 'r' || kind === 'p') && name !== runnerTable);
    const bare = tables.find(({ scoped }) => !scoped);
    if (bare !== undefined) {
      throw new MigrationError(`The table "${schema}"."${bare.name}" has no column tenant_id text not null.`, {
        tenantId: options.tenantId, hint: 'Give it one, or make it a reference table in schema reference.',
      });
    }
    const app = quoteIdentifier(appRole);
    await sql.unsafe(`revoke all on schema ${quoteIdentifier(schema)} from public; grant usage on schema ${quoteIdentifier(schema)} to ${app}`);
    for (const { name } of tables) {
      for (const policy of tenantTablePolicies({ ...options, table: name, serverMajor })) await sql.unsafe(policy);
    }
    for (const relation of relations) await grant(sql, schema, app, relation);
    return { tables: tables.map(({ name }) => name) };
  });
}

/** The same for schema `reference`: services may read its tables. */
export async function installReferencePolicies(owner: Sql, options: PolicyRoles): Promise<{ readonly tables: readonly string[] }> {
  const schema = 'reference';
  return await owner.begin(async (sql) => {
    await sql`select pg_catalog.pg_advisory_xact_lock(${advisoryLockKey('policies', schema)}::bigint)`;
    const tables = (await relationsOf(sql, schema)).filter(({ kind, name }) => (kind === 'r' || kind === 'p') && name !== runnerTable);
    for (const { name } of tables) {
      for (const policy of referenceTablePolicies({ schema, table: name, ownerRole: options.ownerRole })) await sql.unsafe(policy);
      const table = `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
      await sql.unsafe(`revoke all on ${table} from public, ${quoteIdentifier(options.appRole)}; grant select on ${table} to ${quoteIdentifier(options.appRole)}`);
    }
    return { tables: tables.map(({ name }) => name) };
  });
}

async function majorOf(sql: TransactionSql): Promise<number> {
  const [row] = await sql<{ major: number }[]>`select pg_catalog.current_setting('server_version_num')::int / 10000 as major`;
  return row?.major ?? 0;
}

async function relationsOf(sql: TransactionSql, schema: string): Promise<readonly Relation[]> {
  return await sql<Relation[]>`
    select c.relname::text as name, c.relkind::text as kind,
      exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attname = 'tenant_id' and a.atttypid = 'pg_catalog.text'::pg_catalog.regtype and a.attnotnull and not a.attisdropped
      ) as scoped,
      coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1', 'security_invoker=yes'], false) as invoker
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and not exists (select from pg_catalog.pg_depend d where d.objid = c.oid and d.deptype = 'e')
    order by c.relname`;
}

/** Least grants, made from what exists. Views only where they run as their caller; no materialised views or foreign tables: both go past policies. */
async function grant(sql: TransactionSql, schema: string, app: string, { name, kind, invoker }: Relation): Promise<void> {
  const relation = `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
  const runner = name === runnerTable || name === `${runnerTable}_id_seq`;
  await sql.unsafe(`revoke all on ${kind === 'S' ? 'sequence' : 'table'} ${relation} from public, ${app}`);
  if (runner) return;
  if (kind === 'r' || kind === 'p') await sql.unsafe(`grant select, insert, update, delete on ${relation} to ${app}`);
  else if (kind === 'S') await sql.unsafe(`grant usage, select on sequence ${relation} to ${app}`);
  else if (kind === 'v' && invoker) await sql.unsafe(`grant select on ${relation} to ${app}`);
}
