import type { PgTable } from 'drizzle-orm/pg-core';
import type { Tenancy } from '../../src/tenancy.ts';
import { buildQuery } from './build-query.ts';
import type { AnyDatabase, AnySchema } from './build-select.ts';
import { describeData, type TenantData } from './describe-data.ts';
import { describeQuery, type QueryWish } from './describe-query.ts';
import { type Query, written } from './description.ts';
import * as scopedSchema from './scoped-schema.ts';
import * as stockSchema from './stock-schema.ts';
import type { OracleWorld } from './world.ts';

/** What is put to the proof: `tenancy`, or something in its place that misses a defence. */
export type Subject = Pick<Tenancy<typeof scopedSchema>, 'run' | 'db'>;

/** What fast-check generates: everybody's rows, and queries one after the other, each as one of the tenants. */
export interface Batch {
  readonly data: Uint8Array;
  readonly queries: readonly { readonly tenant: number; readonly tape: Uint8Array }[];
}

/** An answer, or what kept it from being one: PostgreSQL's SQLSTATE, or an error's name. */
type Outcome = { readonly rows: unknown } | { readonly error: string };

/** Raised when a query answers or does something else than stock drizzle over the tenant's rows alone. */
export class Difference extends Error {}

const undo = new Error('undo');

/**
 * Compares a subject, on rows of many tenants, with stock drizzle on each tenant's rows alone. Reads must answer the same; writes must
 * answer the same and leave the same rows, seen inside their transaction and, when they were kept, at the end of the batch.
 */
export class Oracle {
  readonly #world: OracleWorld;
  readonly #subject: Subject;
  readonly #tenants: readonly string[];
  readonly #wish: QueryWish;
  /** How many queries were compared. */
  compared = 0;
  /** How many of them answered rows, or wrote; the others failed alike on both sides. */
  answered = 0;

  constructor(world: OracleWorld, subject: Subject, tenants: readonly string[], wish: QueryWish) {
    this.#world = world;
    this.#subject = subject;
    this.#tenants = tenants;
    this.#wish = wish;
  }

  /** @throws {Difference} */
  async run({ data, queries }: Batch): Promise<void> {
    await this.#fill(describeData(data, this.#tenants));
    for (const { tenant, tape } of queries) {
      const query = describeQuery(tape, this.#wish);
      await this.#compare(this.#tenants[tenant % this.#tenants.length]!, query);
      this.compared += 1;
    }
    await this.#compareAll();
  }

  async #fill(data: ReadonlyMap<string, TenantData>): Promise<void> {
    for (const schema of new Set(this.#tenants.map((tenant) => this.#world.schemaOf(tenant)))) {
      const tenant = this.#tenants.find((candidate) => this.#world.schemaOf(candidate) === schema)!;
      await this.#world.admin(tenant).unsafe(`truncate ${written.map((table) => `"${schema}".${table}`).join(', ')}`);
    }
    await Promise.all(
      [...data].map(async ([tenant, rows]) => {
        await this.#world.stockClient(tenant).unsafe(`truncate ${written.join(', ')}`);
        await insertAll(this.#world.stock(tenant), stockSchema as unknown as AnySchema, rows);
        // As the platform's own service: a subject that misses a defence could not even be filled.
        const { tenancy } = this.#world.platform;
        await tenancy.run(tenant, () => insertAll(tenancy.db as unknown as AnyDatabase, scopedSchema, rows));
      }),
    );
  }

  async #compare(tenant: string, query: Query): Promise<void> {
    const writes =
      query.is === 'write' || query.is === 'raw' || (query.is === 'select' && query.select.ctes.some(({ query: cte }) => 'is' in cte));
    const run = writes ? this.#write : this.#read;
    const [ours, theirs] = await Promise.all([
      this.#subject
        .run(tenant, () => run(this.#subject.db as unknown as AnyDatabase, scopedSchema, query))
        .catch((error: unknown) => ({ error: nameOf(error) })),
      run(this.#world.stock(tenant), stockSchema as unknown as AnySchema, query),
    ]);
    if (!('error' in theirs)) this.answered += 1;
    const [left, right] = [comparable(ours, query), comparable(theirs, query)];
    if (left === right) return;
    throw new Difference(
      `As ${tenant}:\n${JSON.stringify(query)}\n${textOf(this.#world.stock(tenant), query)}\nscoped: ${left}\nstock:  ${right}`,
    );
  }

  async #read(db: AnyDatabase, schema: AnySchema, query: Query): Promise<Outcome> {
    try {
      return { rows: await buildQuery(db, schema, query) };
    } catch (error) {
      return { error: nameOf(error) };
    }
  }

  async #write(db: AnyDatabase, schema: AnySchema, query: Query): Promise<Outcome> {
    let rows: unknown;
    try {
      await db.transaction(async (tx) => {
        const answer = await buildQuery(tx as unknown as AnyDatabase, schema, query);
        rows = { answer: sorted(answer), after: await contents(tx as unknown as AnyDatabase, schema) };
        if (!query.keep) throw undo;
      });
    } catch (error) {
      if (error !== undo) return { error: nameOf(error) };
    }
    return { rows };
  }

  /** What was kept is kept for its tenant alone: everybody's rows are as the batch's own statements left them. */
  async #compareAll(): Promise<void> {
    const { tenancy } = this.#world.platform;
    let rows = 0;
    for (const tenant of this.#tenants) {
      const [ours, theirs] = await Promise.all([
        tenancy.run(tenant, () => contents(tenancy.db as unknown as AnyDatabase, scopedSchema)),
        contents(this.#world.stock(tenant), stockSchema as unknown as AnySchema),
      ]);
      rows += Object.values(theirs).reduce((sum, { length }) => sum + length, 0);
      const [left, right] = [JSON.stringify(ours), JSON.stringify(theirs)];
      if (left !== right) throw new Difference(`After the batch ${tenant} holds other rows.\nscoped: ${left}\nstock:  ${right}`);
    }
    const stored = await this.#stored();
    if (stored !== rows) throw new Difference(`After the batch ${stored} rows are stored, but the tenants together have ${rows}.`);
  }

  async #stored(): Promise<number> {
    let stored = 0;
    for (const schema of new Set(this.#tenants.map((tenant) => this.#world.schemaOf(tenant)))) {
      const tenant = this.#tenants.find((candidate) => this.#world.schemaOf(candidate) === schema)!;
      const counts = written.map((table) => `(select count(*) from "${schema}".${table})`).join(' + ');
      const [row] = await this.#world.admin(tenant).unsafe<{ n: number }[]>(`select (${counts})::integer as n`);
      stored += row!.n;
    }
    return stored;
  }
}

async function insertAll(db: AnyDatabase, schema: AnySchema, rows: TenantData): Promise<void> {
  for (const table of written) {
    if (rows[table].length === 0) continue;
    const insert = db.insert(schema[table] as PgTable);
    await (table === 'notes' ? insert.overridingSystemValue() : insert).values(rows[table] as never);
  }
}

async function contents(db: AnyDatabase, schema: AnySchema): Promise<Record<string, string[]>> {
  const tables = await Promise.all(
    written.map(async (table) => [table, sorted(await db.select().from(schema[table] as PgTable))] as const),
  );
  return Object.fromEntries(tables);
}

function sorted(rows: unknown): string[] {
  return Array.isArray(rows) ? rows.map((row) => JSON.stringify(row)).sort() : [JSON.stringify(rows) ?? 'undefined'];
}

function comparable(outcome: Outcome, query: Query): string {
  if ('error' in outcome) return `error ${outcome.error}`;
  const ordered = query.is === 'relational' || (query.is === 'select' && query.select.ordered);
  return JSON.stringify(ordered || !Array.isArray(outcome.rows) ? outcome.rows : sorted(outcome.rows)) ?? 'undefined';
}

/** PostgreSQL's code where it is an error of PostgreSQL's, wherever it is wrapped; or what drizzle and the library say themselves. */
function nameOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { sqlState, code } = at as { sqlState?: string; code?: string };
    if (sqlState !== undefined) return sqlState;
    if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) return code;
  }
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function textOf(db: AnyDatabase, query: Query): string {
  try {
    const built = buildQuery(db, stockSchema as unknown as AnySchema, { ...query, prepared: false });
    const { toSQL } = built as { toSQL?: () => { sql: string; params: unknown[] } };
    if (toSQL === undefined) return '';
    const { sql: text, params } = toSQL.call(built);
    return `${text}\n${JSON.stringify(params)}`;
  } catch {
    return '';
  }
}
