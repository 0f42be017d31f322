import type { Sql, TransactionSql } from 'postgres';
import { MigrationError, TenancyError } from '../errors.ts';
import { advisoryLockKey } from '../sql/advisory-lock.ts';
import { failureName } from '../sql/failure-name.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import { qualifiedName } from '../sql/qualified-name.ts';
import { inTransaction } from '../sql/transaction.ts';
import type { Isolation } from '../tenant/tier.ts';
import { grantSql, referenceGrants, routineGrantSql, tenantGrants } from './grant-plan.ts';
import { installWarnings } from './install-warnings.ts';
import { readKeys } from './key-facts.ts';
import { policiesFor, referencePoliciesFor } from './policy.ts';
import { expectedPolicies, expectedReferencePolicies, type PolicyShape, samePolicy } from './policy-shape.ts';
import { type RelationFacts, readRelations, runnerTable } from './relation-facts.ts';
import { readRoutines } from './routine-facts.ts';

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
  readonly tenantId?: string | undefined;
  /** The server's major version; asked of the server unless told. */
  readonly serverMajor?: number | undefined;
}

/** What {@link installPolicies} did and saw. */
export interface InstalledPolicies {
  /** Every table that is under policies now. */
  readonly tables: readonly string[];
  /** Those of them that were changed by this call: none when everything stood already. */
  readonly changed: readonly string[];
  /** Weak spots that policies can't mend, a sentence each: keys that do not lead with tenant_id, views that run as their owner and the like. */
  readonly warnings: readonly string[];
}

/**
 * Puts every table of a schema under its policies and grants the service login what it needs of them and nothing else, in one transaction.
 * Run after every migration: services see a table only from then on. What stands already is not touched, so that a run without news takes
 * no lock that a query could wait for.
 *
 * @param owner a client logged in as the schema's owner
 * @throws {MigrationError} when a table has no `tenant_id text not null` or is part of one in another schema; nothing is changed then
 * @example
 * ```ts
 * await installPolicies(owner, { schema: 'acme', isolation: 'schema', tenantId: 'acme', ownerRole: 'tenancy_owner', appRole: 'tenancy_app' });
 * ```
 */
export async function installPolicies(owner: Sql, options: PolicySchema): Promise<InstalledPolicies> {
  const { schema, appRole, tenantId } = options;
  return await underLock(owner, schema, tenantId, async (sql, major) => {
    const relations = await readRelations(sql, [schema]);
    const routines = await readRoutines(sql, [schema]);
    const tables = relations.filter(isTable);
    for (const table of tables) requireProtectable(table, tenantId);
    const rules = { ...options, serverMajor: options.serverMajor ?? major };
    const expected = expectedPolicies(rules);
    const statements = [...(await schemaGrantSql(sql, schema, appRole))];
    const changed: string[] = [];
    for (const table of tables) {
      if (isProtected(table, expected) && table.immutable) continue;
      statements.push(...dropStray(table, expected), ...policiesFor({ ...rules, table: table.name, partition: table.partition }));
      changed.push(table.name);
    }
    for (const relation of relations) statements.push(...grantSql(relation, appRole, tenantGrants(relation)));
    for (const routine of routines) statements.push(...routineGrantSql(routine, appRole));
    // One message: should the connection die before it, the driver would send it on a new one, and there too it is all or nothing.
    if (statements.length > 0) await sql.unsafe(statements.join('\n'));
    const warnings = installWarnings({ relations, routines, keys: await readKeys(sql, [schema]), expected, roles: options });
    return Object.freeze({ tables: namesOf(tables), changed: Object.freeze(changed), warnings: Object.freeze(warnings) });
  });
}

/**
 * The same for schema `reference`: services may read its tables, only the owner's migrations change them.
 *
 * @throws {MigrationError} when PostgreSQL refuses
 */
export async function installReferencePolicies(owner: Sql, options: PolicyRoles): Promise<InstalledPolicies> {
  const schema = 'reference';
  return await underLock(owner, schema, undefined, async (sql) => {
    const relations = await readRelations(sql, [schema]);
    const routines = await readRoutines(sql, [schema]);
    const tables = relations.filter(isTable);
    const expected = expectedReferencePolicies(options);
    const statements: string[] = [];
    const changed: string[] = [];
    for (const table of tables) {
      if (isProtected(table, expected)) continue;
      statements.push(...dropStray(table, expected), ...referencePoliciesFor({ schema, table: table.name, ...options }));
      changed.push(table.name);
    }
    for (const relation of relations) statements.push(...grantSql(relation, options.appRole, referenceGrants(relation)));
    for (const routine of routines) statements.push(...routineGrantSql(routine, options.appRole));
    if (statements.length > 0) await sql.unsafe(statements.join('\n'));
    const warnings = installWarnings({ relations, routines, keys: [], expected, roles: options });
    return Object.freeze({ tables: namesOf(tables), changed: Object.freeze(changed), warnings: Object.freeze(warnings) });
  });
}

async function underLock(
  owner: Sql,
  schema: string,
  tenantId: string | undefined,
  install: (sql: TransactionSql, serverMajor: number) => Promise<InstalledPolicies>,
): Promise<InstalledPolicies> {
  try {
    return (await inTransaction(owner, async (sql) => {
      // Set after the lock was taken, each in a statement of its own: what is read then is what others have committed.
      await sql`select pg_catalog.pg_advisory_xact_lock(${advisoryLockKey('policies', schema)}::bigint)`;
      await sql`set local search_path = pg_catalog, pg_temp`;
      const [row] = await sql<{ major: number }[]>`select current_setting('server_version_num')::int / 10000 as major`;
      return await install(sql, row?.major ?? 0);
    })) as InstalledPolicies;
  } catch (error) {
    if (error instanceof TenancyError) throw error;
    throw new MigrationError(`Installing the policies of schema "${schema}" failed (${failureName(error)}); nothing of it was kept.`, {
      tenantId,
      cause: error,
      hint: 'Everything in the schema must belong to the role that installs policies.',
    });
  }
}

/** Services may use the schema and not create in it; PUBLIC may do neither. */
async function schemaGrantSql(sql: TransactionSql, schema: string, appRole: string): Promise<readonly string[]> {
  const [row] = await sql<{ app: string; others: boolean }[]>`
    select coalesce(string_agg(g.privilege_type, ',') filter (where g.grantee = r.oid), '') as app, coalesce(bool_or(g.grantee = 0), false) as others
    from pg_namespace n cross join pg_roles r left join lateral aclexplode(n.nspacl) g on g.grantee <> n.nspowner
    where n.nspname = ${schema} and r.rolname = ${appRole}`;
  if (row?.app === 'USAGE' && !row.others) return [];
  const [name, app] = [quoteIdentifier(schema), quoteIdentifier(appRole)];
  return [`revoke all on schema ${name} from public, ${app};`, `grant usage on schema ${name} to ${app};`];
}

function isTable({ kind, name }: RelationFacts): boolean {
  return (kind === 'r' || kind === 'p') && name !== runnerTable;
}

function isProtected(table: RelationFacts, expected: readonly PolicyShape[]): boolean {
  const ours = table.policies.filter(({ name }) => name.startsWith('tenancy_'));
  return (
    table.enabled &&
    table.forced &&
    ours.length === expected.length &&
    expected.every((policy) => ours.some((actual) => samePolicy(policy, actual)))
  );
}

/** Policies of ours that this isolation has no use for: left over from another one. */
function dropStray(table: RelationFacts, expected: readonly PolicyShape[]): readonly string[] {
  return table.policies
    .filter(({ name }) => name.startsWith('tenancy_') && !expected.some((policy) => policy.name === name))
    .map(({ name }) => `drop policy ${quoteIdentifier(name)} on ${qualifiedName(table.schema, table.name)};`);
}

function requireProtectable(table: RelationFacts, tenantId: string | undefined): void {
  if (!table.scoped) {
    throw new MigrationError(`The table "${table.schema}"."${table.name}" has no column tenant_id text not null.`, {
      tenantId,
      hint: 'Give it one, or make it a reference table in schema reference.',
    });
  }
  if (table.parentElsewhere !== null) {
    throw new MigrationError(
      `The table "${table.schema}"."${table.name}" is part of ${table.parentElsewhere}, which lies in another schema.`,
      {
        tenantId,
        hint: 'Rows would be reached through the other table, past this schema’s policies: detach it.',
      },
    );
  }
}

function namesOf(tables: readonly RelationFacts[]): readonly string[] {
  return Object.freeze(tables.map(({ name }) => name));
}
