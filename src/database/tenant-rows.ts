import type { Assume } from 'drizzle-orm';
import type { PgQueryResultHKT } from 'drizzle-orm/pg-core';
import type { StatementResult } from '../connection/statement.ts';

/** What a statement without drizzle's field mapping answers: its rows as objects, with PostgreSQL's count and command tag. */
export type TenantRows<T> = T[] & {
  /** Rows selected or touched. */
  readonly count: number;
  /** SELECT, INSERT, … */
  readonly command: string;
};

/** Tells drizzle's types what a raw result is. */
export interface TenantQueryResultHKT extends PgQueryResultHKT {
  type: TenantRows<Assume<this['row'], Record<string, unknown>>>;
}

export function tenantRows<T>({ rows, rowCount, command }: StatementResult): TenantRows<T> {
  // Not enumerable, as in postgres.js: the rows compare and print as an array.
  return Object.defineProperties([...rows], { count: { value: rowCount }, command: { value: command } }) as TenantRows<T>;
}
