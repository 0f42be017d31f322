import type { Assume } from 'drizzle-orm';
import type { PgQueryResultHKT } from 'drizzle-orm/pg-core';
import type { StatementResult } from '../connection/statement.ts';

/** What a statement without drizzle's field mapping answers: its rows as objects, with PostgreSQL's count and command tag. */
export type TenantRows<T> = T[] & {
  /** Rows selected or touched. */
  readonly count: number;
  /** PostgreSQL's command tag: `SELECT`, `INSERT`, … */
  readonly command: string;
};

/** Tells drizzle's types what `execute` and statements without `returning` answer: {@link TenantRows}. */
export interface TenantQueryResultHKT extends PgQueryResultHKT {
  /** What drizzle reads. */
  type: TenantRows<Assume<this['row'], Record<string, unknown>>>;
}

export function tenantRows<T>({ rows, rowCount, command }: StatementResult): TenantRows<T> {
  // Not enumerable, as in postgres.js: the rows compare and print as an array.
  return Object.defineProperties([...rows], { count: { value: rowCount }, command: { value: command } }) as TenantRows<T>;
}
