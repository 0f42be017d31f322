/** One statement or one transaction, as a service sends them. */
export const mainCases = ['point-select', 'list-join', 'insert', 'update', 'transaction'] as const;

/** The same statements with `.prepare()`, where drizzle has it. */
export const preparedCases = ['point-select-prepared', 'list-join-prepared', 'insert-prepared', 'update-prepared'] as const;

/** Filters whose operator is not leakproof: by the usual index, and by one that the tenant leads and that covers the query. */
export const filterCases = ['filter-jsonb', 'filter-like', 'filter-jsonb-tenant-index', 'filter-like-tenant-index'] as const;

/** The filters by the usual index again, after a superuser has declared their operators leakproof. */
export const leakproofCases = ['filter-jsonb-leakproof', 'filter-like-leakproof'] as const;

/** What a subject can be asked to do. */
export type Operated = (typeof mainCases)[number] | (typeof preparedCases)[number] | (typeof filterCases)[number];

/** What is measured by itself: other tenants beside a slow one, and entering a scope. */
export const ownCases = ['beside-slow', 'scope-entry'] as const;

/** A case's name in the results. */
export type Case = Operated | (typeof leakproofCases)[number] | (typeof ownCases)[number];

export const allCases: readonly Case[] = [...mainCases, ...preparedCases, ...filterCases, ...leakproofCases, ...ownCases];

/** The operation of a case that alternates over the subjects. */
export function operationOf(what: Exclude<Case, (typeof ownCases)[number]>): Operated {
  if (what === 'filter-jsonb-leakproof') return 'filter-jsonb';
  return what === 'filter-like-leakproof' ? 'filter-like' : what;
}
