import { UnscopedQueryError } from '../errors.ts';

/** The error for a part of a query that the dialect can't answer for. */
export function unscoped(what: string, hint: string): UnscopedQueryError {
  return new UnscopedQueryError(`${what} can't be scoped to a tenant.`, { hint });
}
