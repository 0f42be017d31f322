import { is, View } from 'drizzle-orm';
import { UnscopedQueryError } from '../errors.ts';
import { type Relation, rangeNameOf } from './drizzle-internals.ts';

/** The error for a part of a query that the dialect can't answer for. */
export function unscoped(what: string, hint: string): UnscopedQueryError {
  return new UnscopedQueryError(`${what} can't be scoped to a tenant.`, { hint });
}

/** The error for a table or view that was not declared with this library. */
export function undeclared(relation: Relation): UnscopedQueryError {
  return is(relation, View)
    ? unscoped(`The view ${rangeNameOf(relation)}`, 'Declare it with tenantView, or select from its tables.')
    : unscoped(`The table ${rangeNameOf(relation)}`, 'Declare it with tenantTable or referenceTable.');
}
