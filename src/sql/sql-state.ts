/** The SQLSTATEs that this library acts upon (PostgreSQL's manual, appendix A). */
export const sqlStates = Object.freeze({
  insufficientPrivilege: '42501',
  undefinedTable: '42P01',
  uniqueViolation: '23505',
});

/** The SQLSTATE that an error carries, or undefined when PostgreSQL did not answer. */
export function sqlStateOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** What may be said of a failed statement in a message: its SQLSTATE, or the driver's code; never PostgreSQL's text, which holds values. */
export function failureName(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : typeof error;
}
