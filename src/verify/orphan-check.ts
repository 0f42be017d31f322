import type { Sql } from 'postgres';
import { failureCode, isConnectionFailure } from '../catalog/catalog-failure.ts';
import type { ContextSigner } from '../rls/context-token.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import { qualifiedName } from '../sql/qualified-name.ts';
import { inTransaction } from '../sql/transaction.ts';
import { type CheckResult, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding } from './finding.ts';
import { type ProbeForeignKey, type ProbeRelation, readProbeRelations } from './probe-facts.ts';

/** Enough to say that there are many. */
const counted = 1_000;

interface Question {
  readonly id: 'orphan-rows' | 'cross-tenant-reference';
  readonly location: string;
  readonly key: string;
  readonly text: string;
}

/**
 * Counts rows that refer to none, or to another tenant's: PostgreSQL believes a foreign key that was once recorded as valid, also where
 * the check saw no row (DESIGN §5). Reads as the owner, under each schema's own context.
 *
 * @param owner a client with one connection, logged in as the database's owner
 * @param signer signs contexts for that login
 */
export async function checkOrphans(owner: Sql, signer: ContextSigner, database: VerifiedDatabase): Promise<CheckResult> {
  return await inTransaction(
    owner,
    async (sql) => {
      await sql.unsafe(`set local search_path = pg_catalog, pg_temp; set local statement_timeout = '30s'`);
      const relations = await readProbeRelations(
        sql,
        database.schemas.map(({ schema }) => schema),
      );
      const findings: Finding[] = [];
      let checked = 0;
      for (const { schema, tenantId } of database.schemas) {
        const token = tenantId === undefined ? signer.signMaintenance(0) : signer.sign(tenantId, 0);
        await sql`select set_config('tenancy.context', ${token}, true)`;
        for (const question of relations
          .filter((relation) => relation.schema === schema)
          .flatMap((relation) => questions(database, relation, relations))) {
          checked += 1;
          await sql.unsafe('savepoint question');
          try {
            const [row] = await sql.unsafe<{ n: number }[]>(question.text);
            if ((row?.n ?? 0) > 0) findings.push(found(question, row?.n ?? 0));
          } catch (error) {
            if (isConnectionFailure(error)) throw error;
            findings.push(unanswered(question, failureCode(error) ?? 'unknown'));
          }
          await sql.unsafe('rollback to savepoint question');
        }
      }
      return { findings, checked };
    },
    'isolation level repeatable read read only',
  );
}

function questions(database: VerifiedDatabase, relation: ProbeRelation, relations: readonly ProbeRelation[]): readonly Question[] {
  if ((relation.kind !== 'r' && relation.kind !== 'p') || relation.parent !== null) return [];
  const child = qualifiedName(relation.schema, relation.name);
  return relation.foreignKeys.flatMap((key) => {
    const parent = qualifiedName(key.schema, key.table);
    const location = locate(database, `${relation.schema}.${relation.name} ${key.name}`);
    const present = key.columns.map((column) => `c.${quoteIdentifier(column)} is not null`).join(' and ');
    const orphans: Question = {
      id: 'orphan-rows',
      location,
      key: key.name,
      text: `select count(*)::int as n from (select from ${child} c where ${present} and not exists (select from ${parent} p where ${matches(key)}) limit ${counted}) x`,
    };
    const scoped = relations.some(({ schema, name }) => schema === key.schema && name === key.table);
    if (!scoped || (key.columns[0] === 'tenant_id' && key.parentColumns[0] === 'tenant_id')) return [orphans];
    return [
      orphans,
      {
        id: 'cross-tenant-reference',
        location,
        key: key.name,
        text: `select count(*)::int as n from (select from ${child} c join ${parent} p on ${matches(key)} where p.tenant_id <> c.tenant_id limit ${counted}) x`,
      },
    ];
  });
}

function matches(key: ProbeForeignKey): string {
  return key.columns
    .map((column, index) => `p.${quoteIdentifier(key.parentColumns[index] ?? '')} = c.${quoteIdentifier(column)}`)
    .join(' and ');
}

function found({ id, location }: Question, n: number): Finding {
  const rows = `${n >= counted ? `${counted} rows or more` : n === 1 ? 'One row' : `${n} rows`}`;
  return id === 'orphan-rows'
    ? {
        id,
        severity: 'error',
        location,
        message: `${rows} refer to a row that is not there, although the key is recorded as valid.`,
        remedy: 'Mend the rows in a migration, then drop the foreign key and add it again under the tenant’s context.',
      }
    : {
        id,
        severity: 'critical',
        location,
        message: `${rows} refer to a row of another tenant.`,
        remedy: 'Find out whose rows they should be, mend them, and make the key (tenant_id, …) references …(tenant_id, …).',
      };
}

function unanswered({ location }: Question, code: string): Finding {
  return {
    id: 'orphans-unknown',
    severity: 'info',
    location,
    message: `Whether its rows refer to rows that are there could not be counted (${code}).`,
    remedy: 'Where it took too long (57014), count them on a replica.',
  };
}
