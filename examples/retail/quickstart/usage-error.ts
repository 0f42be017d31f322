/** The command line or the data can't be used; nothing was attempted. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
