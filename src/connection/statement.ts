/** What one statement is, as every lane accepts it: text with `$1…` placeholders, values apart. */
export interface Statement {
  readonly text: string;
  /** Values as the driver takes them: strings, numbers, booleans, bigints, dates, buffers, arrays, null. Never part of a message or log. */
  readonly params: readonly unknown[];
  /** Rows as arrays of columns in order (what drizzle maps), or as objects by column name. */
  readonly rows: 'array' | 'object';
  /** Whether to keep the statement prepared on the lane. False for raw SQL, whose texts have no bound. */
  readonly prepare: boolean;
}

/** What a statement answered. */
export interface StatementResult {
  readonly rows: readonly unknown[];
  /** Rows selected or touched; 0 where the command has no count. */
  readonly rowCount: number;
  /** PostgreSQL's command tag without its numbers: SELECT, INSERT, … */
  readonly command: string;
}
