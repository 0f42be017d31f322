import type { PgTable } from 'drizzle-orm/pg-core';
import { isAlias } from './drizzle-internals.ts';

/** Works something out once for each table. An alias is a new object at each mention: it would never be asked for again. */
export function perTable<T>(work: (table: PgTable) => T): (table: PgTable) => T {
  const known = new WeakMap<PgTable, { readonly answer: T }>();
  return (table) => {
    const before = known.get(table);
    if (before !== undefined) return before.answer;
    const answer = work(table);
    if (!isAlias(table)) known.set(table, { answer });
    return answer;
  };
}
