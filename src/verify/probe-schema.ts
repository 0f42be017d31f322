import { qualifiedName } from '../sql/qualified-name.ts';
import type { VerifiedSchema } from './database-check.ts';
import { foreignAttempts, ownAttempts, type ProbeAttempt, type ProbeRow, referenceAttempt, verdict } from './probe-attempts.ts';
import type { ProbeRelation } from './probe-facts.ts';
import { ProbeRows, parentsFirst } from './probe-rows.ts';
import type { ProbeSession } from './probe-session.ts';

/** What the probes of one relation came to. */
export interface ProbedRelation {
  readonly relation: ProbeRelation;
  readonly held: number;
  /** What should have failed and did not. */
  readonly leaks: readonly ProbeAttempt[];
  /** Why something could not be tried, a sentence each. */
  readonly untried: readonly string[];
  /** Whether PostgreSQL verifies the context once for each statement over it, as it should, or for each row. */
  readonly plannedOnce: boolean;
}

/** The synthetic tenants of one run: ids that no tenant has. */
export interface ProbeTenants {
  readonly victim: string;
  readonly intruder: string;
}

class Tally {
  readonly relation: ProbeRelation;
  readonly leaks: ProbeAttempt[] = [];
  readonly untried: string[] = [];
  held = 0;
  plannedOnce = true;

  constructor(relation: ProbeRelation) {
    this.relation = relation;
  }

  async try(session: ProbeSession, attempts: readonly ProbeAttempt[], whose: string): Promise<void> {
    const outcomes = await session.attempt(attempts);
    for (const [index, outcome] of outcomes.entries()) {
      const attempt = attempts[index]!;
      const came = verdict(attempt, outcome);
      if (came === 'held') this.held += 1;
      else if (came === 'leaked') this.leaks.push({ ...attempt, meaning: `${whose} ${attempt.meaning}` });
      else this.untried.push(`whether ${whose} ${attempt.meaning} (${'code' in outcome ? outcome.code : 'no row of its own'})`);
    }
  }
}

/**
 * Tries in one schema, as the service login, what one tenant must not be able to do to another. In a schema that tenants share both are
 * synthetic and have rows with the same keys; in a schema that belongs to one tenant that tenant gets a synthetic row, and the other has
 * no business there at all. The caller rolls the transaction back.
 */
export async function probeSchema(
  session: ProbeSession,
  schema: VerifiedSchema,
  relations: readonly ProbeRelation[],
  tenants: ProbeTenants,
): Promise<readonly ProbedRelation[]> {
  const shared = schema.tenantId === undefined;
  const victim = schema.tenantId ?? tenants.victim;
  const { intruder } = tenants;
  const tallies = new Map(relations.map((relation) => [relation.name, new Tally(relation)]));
  const tables = parentsFirst(relations.filter(({ kind, parent }) => (kind === 'r' || kind === 'p') && parent === null));
  const references = new Map<string, ProbeRow | undefined>();
  const [theirs, spare, own] = [
    new ProbeRows(session, victim, references),
    new ProbeRows(session, victim, references),
    new ProbeRows(session, intruder, references),
  ];

  await session.become(victim);
  await insertAll(tables, theirs, tallies, 1);
  if (shared) {
    await insertAll(tables, spare, undefined, 2);
    await session.become(intruder);
    // Before it has a row of its own: an insert that another tenant's key keeps from succeeding tells of that key.
    for (const table of tables) {
      const like = theirs.get(table.name);
      if (like === undefined) continue;
      const failure = await own.insert(table, 1, like);
      const tally = tallies.get(table.name)!;
      if (failure === '23505' || failure === '23P01') {
        tally.leaks.push({
          id: 'probe-collision',
          expect: 'success',
          text: '',
          meaning: 'a tenant learns of a key of another by a conflict with it',
        });
        await own.insert(table, 3);
      } else if (failure === undefined) tally.held += 1;
      else tally.untried.push(`a second tenant's row with the same keys (${failure})`);
    }
  }
  const immediate = await constraintsNow(session);
  // A partition is tried with the row of the whole: policies speak before PostgreSQL says that the row belongs elsewhere.
  const foreignOf = (relation: ProbeRelation): readonly ProbeAttempt[] =>
    foreignAttempts(relation, theirs.get(rootOf(relation, relations).name), intruder);
  await session.become(intruder);
  for (const relation of relations) {
    const tally = tallies.get(relation.name)!;
    await tally.try(session, foreignOf(relation), 'a tenant');
    if (relation.kind === 'r' || relation.kind === 'p') tally.plannedOnce = await plannedOnce(session, relation);
    const mine = shared ? own.get(relation.name) : undefined;
    if (mine === undefined) continue;
    const points = relation.foreignKeys
      .filter((key) => key.schema === relation.schema)
      .flatMap((key) => {
        const parent = spare.get(key.table);
        const attempt = parent === undefined || !immediate ? undefined : referenceAttempt(relation, mine, key, parent);
        if (parent === undefined || !immediate)
          tally.untried.push(`whether a tenant refers to a row of another, by ${key.name} (there is no second row)`);
        return attempt === undefined ? [] : [attempt];
      });
    await tally.try(session, [...ownAttempts(relation, mine, victim), ...points], 'a tenant');
  }
  await session.become(undefined);
  for (const relation of relations) {
    const attempts = foreignOf(relation).filter(({ id }) => id !== 'probe-truncate');
    await tallies.get(relation.name)!.try(session, attempts, 'a session without a tenant');
  }
  return [...tallies.values()];
}

/** Checks that a COMMIT would make, which there is none of, are made after each statement instead; false where one fails already. */
async function constraintsNow(session: ProbeSession): Promise<boolean> {
  return !('code' in (await session.keep('set constraints all immediate')));
}

/** An InitPlan prints without the function that it calls; a condition on rows prints with it. */
async function plannedOnce(session: ProbeSession, { schema, name }: ProbeRelation): Promise<boolean> {
  const answer = await session.keep<{ plan: unknown }>(`explain (costs off, format json) select from ${qualifiedName(schema, name)}`);
  // Refused, the planner called the function itself, to estimate: it stands beside a column.
  if ('code' in answer) return false;
  const text = JSON.stringify(answer.row);
  return text.includes('InitPlan') && !/tenancy\.(?:current_tenant_id|require_tenant|in_maintenance)\(/.test(text);
}

async function insertAll(
  tables: readonly ProbeRelation[],
  rows: ProbeRows,
  tallies: ReadonlyMap<string, Tally> | undefined,
  seed: number,
): Promise<void> {
  for (const table of tables) {
    const failure = await rows.insert(table, seed);
    if (failure !== undefined) tallies?.get(table.name)?.untried.push(`anything with a row: none could be made (${failure})`);
  }
}

function rootOf(relation: ProbeRelation, relations: readonly ProbeRelation[]): ProbeRelation {
  const parent = relation.parent === null ? undefined : relations.find(({ name }) => name === relation.parent);
  return parent === undefined ? relation : rootOf(parent, relations);
}
