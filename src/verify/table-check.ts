import { expectedPolicies, expectedReferencePolicies, type PolicyShape, samePolicy } from '../rls/policy-shape.ts';
import { type RelationFacts, readRelations, runnerTable } from '../rls/relation-facts.ts';
import { type DatabaseCheck, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding } from './finding.ts';

const remedy = 'Run `tenancy migrate up`: it installs policies, triggers and grants anew.';

/**
 * Every tenant and reference table, partitions included: row-level security enabled and forced, exactly the policies that this package
 * installs, tenant_id there and immutable. A schema without its tables is looked at too: it may be the wrong database.
 */
export const checkTables: DatabaseCheck = async (sql, database) => {
  const [server] = await sql<{ major: number }[]>`select current_setting('server_version_num')::int / 10000 as major`;
  const serverMajor = server?.major ?? 0;
  const { ownerRole, appRole } = database;
  const findings: Finding[] = [];
  let checked = 0;
  const [present] = await sql<{ names: string[] }[]>`select json_agg(nspname) as names from pg_namespace`;
  const relations = await readRelations(sql, [...database.schemas.map(({ schema }) => schema), 'reference']);
  const tables = relations.filter(({ kind, name }) => (kind === 'r' || kind === 'p') && name !== runnerTable);
  for (const schema of [...database.schemas, { schema: 'reference', isolation: 'row', tenantId: undefined } as const]) {
    checked += 1;
    if (present?.names.includes(schema.schema) !== true) {
      findings.push({
        id: 'schema-missing',
        severity: 'critical',
        location: locate(database, schema.schema),
        message: 'The schema does not exist.',
        remedy: 'Provision the tenant again, or find out where its rows are.',
      });
    }
    const reference = schema.schema === 'reference';
    const expected = reference
      ? expectedReferencePolicies({ ownerRole, appRole })
      : expectedPolicies({ ...schema, ownerRole, appRole, serverMajor });
    for (const table of tables.filter((candidate) => candidate.schema === schema.schema)) {
      checked += 1;
      findings.push(...tableFindings(database, table, expected), ...(reference ? [] : tenantFindings(database, table)));
    }
  }
  return { findings, checked };
};

function tableFindings(database: VerifiedDatabase, table: RelationFacts, expected: readonly PolicyShape[]): Finding[] {
  const location = locate(database, `${table.schema}.${table.name}`);
  const critical = (id: string, message: string, mend = remedy): Finding => ({ id, severity: 'critical', location, message, remedy: mend });
  const found: Finding[] = [];
  if (!table.enabled) found.push(critical('rls-disabled', 'Row-level security is not enabled: every row is visible.'));
  if (!table.forced) found.push(critical('rls-not-forced', 'Row-level security is not forced: the owner is above it.'));
  if (table.owner !== database.ownerRole) {
    found.push(
      critical(
        'foreign-owner',
        `The table is owned by "${table.owner}", not by "${database.ownerRole}".`,
        `alter table … owner to ${database.ownerRole}.`,
      ),
    );
  }
  for (const policy of expected) {
    const actual = table.policies.find(({ name }) => name === policy.name);
    if (actual === undefined) found.push(critical('policy-missing', `The policy ${policy.name} is missing.`));
    else if (!samePolicy(policy, actual))
      found.push(critical('policy-changed', `The policy ${policy.name} is not the one that this package installs.`));
  }
  for (const { name } of table.policies) {
    if (expected.some((policy) => policy.name === name)) continue;
    found.push(
      critical(
        'policy-unknown',
        `There is a policy ${name} that this package does not install.`,
        `Drop the policy ${name}, or find out who needs it.`,
      ),
    );
  }
  return found;
}

function tenantFindings(database: VerifiedDatabase, table: RelationFacts): Finding[] {
  const location = locate(database, `${table.schema}.${table.name}`);
  const found: Finding[] = [];
  if (!table.scoped) {
    found.push({
      id: 'no-tenant-id',
      severity: 'critical',
      location,
      message: 'There is no column tenant_id text not null.',
      remedy: 'Add it in a migration.',
    });
  }
  if (!table.immutable) {
    found.push({
      id: 'tenant-id-mutable',
      severity: 'critical',
      location,
      message: 'The trigger that keeps tenant_id from changing is missing, changed or disabled.',
      remedy,
    });
  }
  if (table.parentElsewhere !== null) {
    found.push({
      id: 'parent-elsewhere',
      severity: 'critical',
      location,
      message: `The table is part of ${table.parentElsewhere}: its rows are reached past its policies.`,
      remedy: 'Detach it in a migration.',
    });
  }
  return found;
}
