import { is, View } from 'drizzle-orm';
import { NotSupportedError } from '../errors.ts';
import { type Relation, rangeNameOf } from './drizzle-internals.ts';
import { tableKindOf } from './table-kind.ts';
import { undeclared } from './unscoped.ts';

/**
 * Refuses to write to what is no tenant's table.
 *
 * @throws {NotSupportedError} on a view or a reference table
 * @throws {UnscopedQueryError} on a table that was not declared with this library
 */
export function requireWritable(attempt: 'insert' | 'update' | 'delete', target: Relation): void {
  refuseView(attempt, target);
  const kind = tableKindOf(target);
  if (kind === undefined) throw undeclared(target);
  if (kind === 'reference') {
    throw new NotSupportedError(`${attempt} on the reference table ${rangeNameOf(target)}: services only read it.`, {
      hint: 'Change its rows in a database migration.',
    });
  }
}

/** Refuses a view before drizzle looks for a table's columns in it. */
export function refuseView(attempt: 'insert' | 'update' | 'delete', target: Relation): void {
  if (!is(target, View)) return;
  throw new NotSupportedError(`${attempt} on the view ${rangeNameOf(target)}: views are only read.`, { hint: 'Write to its tables.' });
}
