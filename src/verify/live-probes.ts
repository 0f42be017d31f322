import { randomBytes } from 'node:crypto';
import type { Sql } from 'postgres';
import type { ContextSigner } from '../rls/context-token.ts';
import { inTransaction } from '../sql/transaction.ts';
import { type CheckResult, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding } from './finding.ts';
import { readProbeRelations } from './probe-facts.ts';
import { type ProbedRelation, type ProbeTenants, probeSchema } from './probe-schema.ts';
import { forgedContexts, ProbeSession } from './probe-session.ts';

/** Who probes a database, and what with. */
export interface ProbeLogin {
  /** A client with one connection, logged in as services do. */
  readonly sql: Sql;
  /** Signs contexts for that login. */
  readonly signer: ContextSigner;
}

/** Thrown to end a transaction of which nothing is to be kept. */
class Undone extends Error {}

/**
 * Tries as the service login, in every schema, what one tenant must not be able to do to another: read, write, upsert, move, refer to and
 * truncate its rows. Every attempt is part of a transaction that is rolled back; sequences go on by what the synthetic rows took.
 *
 * @returns a critical finding for each attempt that succeeded, and an `info` for each table where something could not be tried
 * @example
 * ```ts
 * const { findings, checked } = await probeDatabase({ sql: service, signer }, database);
 * ```
 */
export async function probeDatabase({ sql, signer }: ProbeLogin, database: VerifiedDatabase): Promise<CheckResult> {
  const [backend] = await sql<{ pid: number }[]>`select pg_catalog.pg_backend_pid() as pid`;
  const sign = (tenantId: string): string => signer.sign(tenantId, backend?.pid ?? 0);
  const mark = randomBytes(6).toString('hex');
  const tenants: ProbeTenants = { victim: `zz-probe-${mark}-a`, intruder: `zz-probe-${mark}-b` };
  const relations = await underCatalogPath(
    sql,
    async (session) =>
      await readProbeRelations(
        session.sql,
        database.schemas.map(({ schema }) => schema),
      ),
    sign,
  );
  const forged = await underCatalogPath(sql, async (session) => await forgedContexts(session, tenants), sign);
  const findings: Finding[] = forged.accepted.map((what) => ({
    id: 'probe-context',
    severity: 'critical',
    location: locate(database, 'tenancy.current_tenant_id()'),
    message: `Tried as the service login: ${what} is taken for a tenant's.`,
    remedy: 'Restore the functions of schema tenancy from migrations/database, and rotate the context key.',
  }));
  let checked = forged.checked;
  for (const schema of database.schemas) {
    const present = relations.filter((relation) => relation.schema === schema.schema);
    if (present.length === 0) continue;
    const probed = await underCatalogPath(sql, async (session) => await probeSchema(session, schema, present, tenants), sign);
    for (const one of probed) checked += one.held + one.leaks.length;
    findings.push(...probed.flatMap((one) => relationFindings(database, one)));
  }
  return { findings, checked };
}

/** One transaction that waits for nobody for long, and of which nothing stays. */
async function underCatalogPath<T>(sql: Sql, probe: (session: ProbeSession) => Promise<T>, sign: (tenantId: string) => string): Promise<T> {
  let result: { readonly value: T } | undefined;
  try {
    await inTransaction(sql, async (transaction) => {
      await transaction.unsafe(
        `set local search_path = pg_catalog, pg_temp; set local lock_timeout = '1s'; set local statement_timeout = '10s'`,
      );
      result = { value: await probe(new ProbeSession(transaction, sign)) };
      throw new Undone();
    });
  } catch (error) {
    if (!(error instanceof Undone)) throw error;
  }
  return result!.value;
}

const remedies: Readonly<Record<string, string>> = {
  'probe-read': 'Run `tenancy migrate up`, which installs policies and grants anew, then look at the other findings of this table.',
  'probe-truncate': 'Revoke TRUNCATE: `tenancy migrate up` does.',
  'probe-reference': 'Make the foreign key (tenant_id, …) references …(tenant_id, …) in a migration.',
  'probe-collision': 'Make the unique key (tenant_id, …) in a migration.',
};

function relationFindings(database: VerifiedDatabase, { relation, leaks, untried, plannedOnce }: ProbedRelation): Finding[] {
  const location = locate(database, `${relation.schema}.${relation.name}`);
  const found = leaks.map(
    ({ id, meaning }): Finding => ({
      id,
      severity: 'critical',
      location,
      message: `Tried as the service login: ${meaning}.`,
      remedy: remedies[id] ?? remedies['probe-read']!,
    }),
  );
  if (!plannedOnce) {
    found.push({
      id: 'plan-per-row',
      severity: 'warning',
      location,
      message: 'The plan of a plain select verifies the context for each row, or not at all, instead of once.',
      remedy: remedies['probe-read']!,
    });
  }
  if (untried.length === 0 || relation.parent !== null) return found;
  return [
    ...found,
    {
      id: 'probe-incomplete',
      severity: 'info',
      location,
      message: `Could not be tried: ${[...new Set(untried)].join('; ')}.`,
      remedy: 'The checks of the system catalogs hold for it all the same; a test with rows of your own can try the rest.',
    },
  ];
}
