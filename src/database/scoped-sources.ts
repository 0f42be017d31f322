import { is, SQL, StringChunk, Subquery, View } from 'drizzle-orm';
import { type PgSelectConfig, type PgSelectJoinConfig, PgTable } from 'drizzle-orm/pg-core';
import { type DerivedKind, isScoped, StatementSources, TableChunk, TenantPredicate } from './chunks.ts';
import { rangeNameOf, subqueryParts } from './drizzle-internals.ts';
import { tableKindOf } from './table-kind.ts';
import { undeclared, unscoped } from './unscoped.ts';

type Source = PgSelectConfig['table'];

/** What a statement reads from, with every tenant table's predicate in its place. */
export interface ScopedSources {
  /** The first source where it is a table; undefined where it stays as it was. */
  readonly base: TableChunk | undefined;
  readonly joins: PgSelectJoinConfig[] | undefined;
  /** For the WHERE. */
  readonly predicates: readonly TenantPredicate[];
}

/**
 * Scopes FROM and its joins. A left or inner join's predicate belongs into its ON, the first table's into the WHERE. A right or full
 * join may null either side, and a predicate further out would then drop rows or let another tenant's take part in the match: there each
 * tenant table is filtered where it stands.
 *
 * @throws {UnscopedQueryError} on a table or view that is neither of tenants nor of reference
 */
export function scopeSources(table: Source | undefined, joins: readonly PgSelectJoinConfig[] | undefined): ScopedSources {
  const filtered = joins?.some(({ joinType }) => joinType === 'right' || joinType === 'full') ?? false;
  const predicates: TenantPredicate[] = [];
  const base = table === undefined ? undefined : sourceOf(table, filtered);
  if (base?.scoped === 'outside') predicates.push(new TenantPredicate(base.chunk.table));
  return {
    base: base?.chunk,
    predicates,
    joins: joins?.map((join) => {
      const source = sourceOf(join.table, filtered);
      if (source === undefined) return join;
      const chunk = new SQL([source.chunk as never]);
      if (source.scoped !== 'outside') return { ...join, table: chunk };
      const predicate = new TenantPredicate(source.chunk.table);
      if (join.joinType !== 'cross') return { ...join, table: chunk, on: conjunction([predicate], join.on) };
      predicates.push(predicate);
      return { ...join, table: chunk };
    }),
  };
}

function sourceOf(
  source: Source,
  filtered: boolean,
): { readonly chunk: TableChunk; readonly scoped: 'outside' | 'inside' | 'all tenants' } | undefined {
  if (!is(source, PgTable) && !is(source, View)) return undefined;
  const kind = tableKindOf(source);
  if (kind === undefined) throw undeclared(source);
  if (kind === 'reference') return { chunk: new TableChunk(source), scoped: 'all tenants' };
  return { chunk: new TableChunk(source, filtered), scoped: filtered ? 'inside' : 'outside' };
}

/** The predicates and the caller's condition; in parentheses, so that an OR in it can't reach past the predicates. */
export function conjunction(predicates: readonly TenantPredicate[], condition: SQL | undefined): SQL | undefined {
  if (predicates.length === 0) return condition;
  const chunks: unknown[] = predicates.flatMap((predicate, i) => (i === 0 ? [predicate] : [new StringChunk(' and '), predicate]));
  if (condition !== undefined) chunks.push(new StringChunk(' and ('), condition, new StringChunk(')'));
  return new SQL(chunks as never);
}

/** What a subquery hands on by its name; undefined where that is rows as they are stored (`select *`, which drizzle's relational queries nest). */
export function derivedKindOf(subquery: Subquery): DerivedKind | undefined {
  return Object.keys(subqueryParts(subquery).selectedFields).length > 0 ? 'subquery' : undefined;
}

/** What the sources of a statement are known as. */
export function statementSources(sources: readonly (Source | undefined)[]): StatementSources {
  const named = sources.flatMap((source): [string, DerivedKind | undefined][] => {
    if (is(source, View)) return [[rangeNameOf(source), 'view']];
    if (is(source, PgTable)) return [[rangeNameOf(source), undefined]];
    return is(source, Subquery) ? [[subqueryParts(source).alias, derivedKindOf(source)]] : [];
  });
  return new StatementSources(new Map(named));
}

/** @throws {UnscopedQueryError} on a CTE that this dialect did not build */
export function checkCtes(withList: readonly Subquery[] | undefined): void {
  for (const cte of withList ?? []) {
    const { sql, alias } = subqueryParts(cte);
    if (!isScoped(sql))
      throw unscoped(
        `The CTE "${alias}"`,
        'Build it with tenancy.db.$with(…).as(tenancy.db.select()…), or write the whole statement with tenancy.sql.',
      );
  }
}
