import { is, Param, SQL } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { defaultsOf } from './drizzle-internals.ts';

/** The value that a caller gave a column, or else what its `$defaultFn` or `$onUpdate` answers; undefined when there is none. */
export function givenOrGenerated(kind: 'insert' | 'update', column: PgColumn, given: unknown): unknown {
  if (given !== undefined && !(is(given, Param) && given.value === undefined)) return given;
  const { defaultFn, onUpdateFn } = defaultsOf(column);
  const generate = kind === 'update' ? onUpdateFn : (defaultFn ?? onUpdateFn);
  if (generate === undefined) return undefined;
  const value = generate();
  return is(value, SQL) ? value : new Param(value ?? null, column);
}
