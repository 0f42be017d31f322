import { quoteIdentifier, quoteLiteral } from '../sql/identifier.ts';
import { qualifiedName } from '../sql/qualified-name.ts';
import type { ProbeForeignKey, ProbeRelation } from './probe-facts.ts';

/** A row of a probed table, as texts by column. */
export type ProbeRow = ReadonlyMap<string, string | null>;

/** The findings of the live probes; each names what one tenant could do to another's rows. */
export type ProbeId =
  | 'probe-read'
  | 'probe-write'
  | 'probe-upsert'
  | 'probe-move'
  | 'probe-reference'
  | 'probe-collision'
  | 'probe-truncate'
  | 'probe-context';

/**
 * What must come of an attempt: `nothing`, no row is seen or touched; `refusal`, 42501; `no-parent`, the row that it refers to is not there;
 * `success`, since another tenant's keys are no reason to refuse.
 */
export type Expectation = 'nothing' | 'refusal' | 'no-parent' | 'success';

/** One statement that a tenant must not get away with. */
export interface ProbeAttempt {
  readonly id: ProbeId;
  readonly text: string;
  readonly expect: Expectation;
  /** What it means if it does, as a sentence. */
  readonly meaning: string;
}

/** What PostgreSQL answered: rows seen or touched, or an SQLSTATE. */
export type ProbeOutcome = { readonly count: number } | { readonly code: string };

/** Whether the defence held; `unclear` where the statement failed of something else. */
export function verdict({ id, expect }: Pick<ProbeAttempt, 'id' | 'expect'>, outcome: ProbeOutcome): 'held' | 'leaked' | 'unclear' {
  if ('count' in outcome) {
    if (expect === 'nothing') return outcome.count === 0 ? 'held' : 'leaked';
    if (expect === 'success') return outcome.count === 1 ? 'held' : 'unclear';
    // An upsert or update that touches nothing was let through all the same, but an update that found no row of its own proves nothing.
    return expect === 'no-parent' && outcome.count === 0 ? 'unclear' : 'leaked';
  }
  const { code } = outcome;
  // Another row stood in the way: policies had let the statement pass by then.
  const met = code === '23505' || code === '23P01';
  if (expect === 'success') return met ? 'leaked' : 'unclear';
  if (code === '42501') return 'held';
  if (expect === 'no-parent') return code === '23503' ? 'held' : 'unclear';
  // After its permission TRUNCATE meets other tables' references, or waits for whoever uses the table.
  if (id === 'probe-truncate') return code === '0A000' || code === '55P03' ? 'leaked' : 'unclear';
  // So had they when a constraint, a partition's bounds or a reference to the row spoke.
  return met || code === '23503' || code === '23001' || (code === '23514' && expect === 'refusal') ? 'leaked' : 'unclear';
}

/** An insert of a row; columns that it does not name are PostgreSQL's to fill in. */
export function insertText(table: ProbeRelation, row: ProbeRow): string {
  const columns = table.columns.filter(({ name, generated }) => !generated && row.has(name));
  const values = columns.map(({ name, type }) => literal(row.get(name) ?? null, type));
  return `insert into ${nameOf(table)} (${columns.map(({ name }) => quoteIdentifier(name)).join(', ')}) overriding system value values (${values.join(', ')})`;
}

/** The same, answering the whole row as texts in the order of its columns. */
export function returningText(table: ProbeRelation, row: ProbeRow): string {
  const texts = table.columns.map(({ name }) => `${quoteIdentifier(name)}::text`);
  return `${insertText(table, row)} returning to_json(array[${texts.join(', ')}]) as values`;
}

/** What any other tenant, or a session without one, may try on a table that holds `victim`'s row. */
export function foreignAttempts(table: ProbeRelation, victim: ProbeRow | undefined, intruder: string): readonly ProbeAttempt[] {
  const name = nameOf(table);
  const read: ProbeAttempt = {
    id: 'probe-read',
    text: `select from ${name} where tenant_id is distinct from ${quoteLiteral(intruder)} limit 1`,
    expect: 'nothing',
    meaning: 'reads rows of another',
  };
  if (table.kind === 'v' || table.kind === 'm' || table.kind === 'f') return [read];
  const truncate: ProbeAttempt = {
    id: 'probe-truncate',
    text: `truncate ${name}`,
    expect: 'refusal',
    meaning: 'empties the table of every tenant',
  };
  if (victim === undefined) return [read, truncate];
  const there = rowPredicate(table, victim);
  return [
    read,
    {
      id: 'probe-write',
      text: `update ${name} set tenant_id = tenant_id where ${there}`,
      expect: 'nothing',
      meaning: 'updates a row of another',
    },
    { id: 'probe-write', text: `delete from ${name} where ${there}`, expect: 'nothing', meaning: 'deletes a row of another' },
    { id: 'probe-write', text: insertText(table, victim), expect: 'refusal', meaning: 'inserts a row in the name of another' },
    {
      id: 'probe-upsert',
      text: `${insertText(table, victim)} on conflict ${upsertClause(table)}`,
      expect: 'refusal',
      meaning: 'upserts a row in the name of another',
    },
    {
      id: 'probe-move',
      text: `update ${name} set tenant_id = ${quoteLiteral(intruder)} where ${there}`,
      expect: 'nothing',
      meaning: 'takes a row from another',
    },
    truncate,
  ];
}

/** What a tenant may try with a row of its own, in a table that it shares with the victim. */
export function ownAttempts(table: ProbeRelation, own: ProbeRow, victim: string): readonly ProbeAttempt[] {
  return [
    {
      id: 'probe-move',
      text: `update ${nameOf(table)} set tenant_id = ${quoteLiteral(victim)} where ${rowPredicate(table, own)}`,
      expect: 'refusal',
      meaning: 'hands a row of its own to another',
    },
  ];
}

/** An own row made to refer to a row that only the victim has; undefined where the key has no column but tenant_id. */
export function referenceAttempt(table: ProbeRelation, own: ProbeRow, key: ProbeForeignKey, parent: ProbeRow): ProbeAttempt | undefined {
  const pairs = key.columns.flatMap((column, index) => (column === 'tenant_id' ? [] : [[column, key.parentColumns[index] ?? ''] as const]));
  if (pairs.length === 0 || pairs.some(([, to]) => parent.get(to) === null)) return undefined;
  const sets = pairs.map(([from, to]) => {
    const type = table.columns.find(({ name }) => name === from)?.type ?? 'text';
    return `${quoteIdentifier(from)} = ${literal(parent.get(to) ?? null, type)}`;
  });
  return {
    id: 'probe-reference',
    text: `update ${nameOf(table)} set ${sets.join(', ')} where ${rowPredicate(table, own)}`,
    expect: 'no-parent',
    meaning: `refers to a row of another, by ${key.name}`,
  };
}

/** Without a unique key every column is compared, as text: some types have no equality. */
function rowPredicate(table: ProbeRelation, row: ProbeRow): string {
  const keyed = table.key.length > 0;
  return table.columns
    .filter(({ name }) => !keyed || name === 'tenant_id' || table.key.includes(name))
    .map(({ name, type }) => {
      const value = row.get(name) ?? null;
      if (value === null) return `${quoteIdentifier(name)} is null`;
      return keyed ? `${quoteIdentifier(name)} = ${literal(value, type)}` : `${quoteIdentifier(name)}::text = ${quoteLiteral(value)}`;
    })
    .join(' and ');
}

function upsertClause(table: ProbeRelation): string {
  return table.key.length === 0
    ? 'do nothing'
    : `(${table.key.map(quoteIdentifier).join(', ')}) do update set tenant_id = excluded.tenant_id`;
}

function nameOf(table: Pick<ProbeRelation, 'schema' | 'name'>): string {
  return qualifiedName(table.schema, table.name);
}

function literal(text: string | null, type: string): string {
  return text === null ? `null::${type}` : `${quoteLiteral(text)}::${type}`;
}
