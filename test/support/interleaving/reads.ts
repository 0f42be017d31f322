import { and, asc, count, eq, exists, gte, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import { NoTenantError, TransactionOverError, WrongTenantError } from '../../../src/errors.ts';
import type { Exchange, Program, Step } from './program.ts';
import { items, notes } from './schema.ts';

const other = alias(items, 'other');
const fields = { id: items.id, marker: items.marker };

/** Ways to read all of the tenant's items, by every road to the database. */
const wholes: Readonly<Record<string, (program: Program) => PromiseLike<readonly { id: number; marker: string }[]>>> = {
  select: ({ face: { db } }) => db.select(fields).from(items),
  'relational query': ({ face: { db } }) => db.query.items.findMany({ columns: { id: true, marker: true } }),
  'raw SQL': ({ face }) => face.sql<{ id: number; marker: string }>`select id, marker from items`,
  'raw self-join': ({ face }) => face.sql<{ id: number; marker: string }>`select b.id, b.marker from items a join items b using (id)`,
  execute: ({ face: { db } }) => db.execute<{ id: number; marker: string }>(sql`select id, marker from ${items}`),
  'prepared query': ({ exchange }) => exchange.prepared.items.execute(),
  'self-join': ({ face: { db } }) =>
    db.select({ id: other.id, marker: other.marker }).from(items).fullJoin(other, eq(items.id, other.id)) as unknown as PromiseLike<
      { id: number; marker: string }[]
    >,
  'common table expression': ({ face: { db } }) => {
    const found = db.$with('found').as(db.select(fields).from(items));
    return db.with(found).select().from(found);
  },
  union: ({ face: { db } }) => db.select(fields).from(items).where(gte(items.id, 3)).union(db.select(fields).from(items)),
  subquery: ({ face: { db } }) =>
    db
      .select(fields)
      .from(items)
      .where(exists(db.select({ one: sql`1` }).from(other).where(eq(other.id, items.id)))),
};

/** Reads all items by a road that chance picks; they must be the tenant's, and all of them. */
export const readAll: Step = async (program) => {
  const [name, read] = program.random.pick(Object.entries(wholes));
  program.book.allItems(program.tenantId, await read(program), name);
};

/** An encrypted value: its tenant's key opens it, or nothing does. */
export const readSecret: Step = async ({ exchange, random, book, tenantId }) => {
  const id = 1 + random.below(5);
  const [item] = await exchange.prepared.item.execute({ id });
  book.own(tenantId, item === undefined ? [] : [item], 'encrypted');
  if (item?.id !== id || item.secret !== `secret of ${tenantId}`) book.note('missing', `encrypted: ${tenantId} read ${item?.secret}`);
};

export const readNotes: Step = async ({ face: { db }, random, book, tenantId }) => {
  const limit = 1 + random.below(4);
  const rows = await db
    .select({ marker: notes.marker, item: items.marker })
    .from(notes)
    .innerJoin(items, and(eq(notes.itemId, items.id)))
    .orderBy(asc(notes.key))
    .limit(limit);
  book.own(tenantId, [...rows, ...rows.map(({ item }) => ({ marker: item }))], 'join');
  const [item] = await db.query.items.findMany({ where: eq(items.id, 1), with: { notes: { limit } } });
  book.own(tenantId, [...(item === undefined ? [] : [item, ...item.notes])], 'nested relation');
};

export const counts: Step = async ({ face: { db, sql: raw }, book, tenantId }) => {
  const [some, same, grouped] = await Promise.all([
    db.$count(items),
    raw<{ n: string }>`select count(*) as n from items`,
    db.select({ marker: items.marker, n: count() }).from(items).groupBy(items.marker),
  ]);
  book.own(tenantId, grouped, 'group');
  if (some !== 5 || same[0]?.n !== '5')
    book.note(some > 5 || Number(same[0]?.n) > 5 ? 'foreign' : 'missing', `count: ${tenantId} counted ${some} and ${same[0]?.n}`);
};

/** A session setting of raw SQL, which must not be there for anybody else, and the one who is asked for. */
export const sessionState: Step = async ({ face: { sql: raw }, book, tenantId, random }) => {
  if (random.chance(0.5)) await raw`select set_config('notes.mark', ${tenantId}, false), set_config('search_path', 'pg_catalog', false)`;
  const [row] = await raw<{ mark: string | null; marker: string }>`
    select current_setting('notes.mark', true) as mark, min(marker) as marker from items`;
  book.own(tenantId, [row!], 'session');
  if ((row?.mark ?? '') !== '') book.note('foreign', `session: ${tenantId} read a setting that ${row?.mark} had left`);
};

/**
 * Reads as whoever the running code belongs to: a listener, a stream or a callback that runs in a context that its maker did not choose. It
 * may be refused, and what it gets must be that tenant's.
 */
export async function readHere({ face, book }: Pick<Program, 'face' | 'book'>, where: string): Promise<void> {
  const tenantId = face.currentOrNull()?.id;
  try {
    const rows = await face.db.select(fields).from(items);
    if (tenantId === undefined) book.note('refusal', `${where}: rows without a tenant`);
    else book.allItems(tenantId, rows, where);
  } catch (error) {
    if (!isOver(error)) throw error;
  }
}

/** Whether work was refused because its scope, or its transaction, was none or over. */
export function isOver(error: unknown): boolean {
  return error instanceof NoTenantError || error instanceof WrongTenantError || error instanceof TransactionOverError;
}

/** Takes a query that some program left, and awaits it here. */
export const awaitCarried: Step = async ({ exchange, book, tenantId }) => {
  const found = exchange.carried.shift();
  if (found === undefined) return;
  try {
    book.allItems(found.tenantId, await found.query, 'carried');
    if (found.tenantId !== tenantId) book.note('refusal', `a query of ${found.tenantId} ran in the scope of ${tenantId}`);
  } catch (error) {
    if (found.tenantId === tenantId || !(error instanceof WrongTenantError)) book.note('refusal', `carried: ${String(error)}`);
  }
};

/** Leaves a query that was made here. */
export const leaveCarried: Step = async (program) => {
  const [, make] = program.random.pick(Object.entries(wholes).filter(([name]) => !name.startsWith('prepared')));
  leave(program.exchange, program.tenantId, make(program));
};

function leave(exchange: Exchange, tenantId: string, query: PromiseLike<readonly { marker: string }[]>): void {
  exchange.carried.push({ tenantId, query });
  if (exchange.carried.length > 20) exchange.carried.shift();
}
