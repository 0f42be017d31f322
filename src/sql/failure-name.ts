/** What may be said of a failed statement in a message: its SQLSTATE, or the driver's code; never PostgreSQL's text, which holds values. */
export function failureName(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : typeof error;
}
