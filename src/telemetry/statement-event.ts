/** How a statement ended: `aborted` by its caller's signal, `failed` for every other error. */
export type StatementOutcome = 'ok' | 'failed' | 'aborted';

/** What is told of one statement when it has ended. No parameters, no text, no row's values. */
export interface StatementEvent {
  /** Whose statement it was. */
  readonly tenantId: string;
  /** The tenant's tier. */
  readonly tier: string;
  /** The cluster, database and schema that it ran in. */
  readonly clusterId: string;
  readonly database: string;
  readonly schema: string;
  /** The `requestId` that the scope was opened with. */
  readonly requestId: string | undefined;
  /** `SELECT`, `INSERT`, …; undefined where that can't be told. */
  readonly operation: string | undefined;
  /** Names the statement without its text, as audit entries do. */
  readonly fingerprint: string;
  /** Whether the caller wrote its text: `tenancy.sql`, `db.execute`. */
  readonly raw: boolean;
  /** Whether it ran in a transaction that was open already. */
  readonly inTransaction: boolean;
  /** From being handed to the pool until its answer was there, in milliseconds: the wait for a lane is in it. */
  readonly durationMs: number;
  /** Rows selected or touched; undefined where it did not end well. */
  readonly rows: number | undefined;
  /** How it ended. */
  readonly outcome: StatementOutcome;
  /** The library's error code, such as `LANE_LOST`; undefined where it ended well. */
  readonly errorCode: string | undefined;
  /** PostgreSQL's SQLSTATE, where PostgreSQL refused it. */
  readonly sqlState: string | undefined;
}

/**
 * Where statements are written down. drizzle's `Logger` fits. What it throws is dropped: a log never fails a query.
 *
 * @example
 * ```ts
 * const logger: StatementLogger = {
 *   logStatement: ({ tenantId, fingerprint, durationMs, rows, outcome }) =>
 *     console.log(JSON.stringify({ tenantId, fingerprint, durationMs, rows, outcome })),
 * };
 * ```
 */
export interface StatementLogger {
  /**
   * Called before a statement is sent, with its text; every parameter is `…`. The text holds what its author put into it: values written
   * by hand, by `sql.raw` or `inlineParams()` stand in it.
   */
  logQuery?(query: string, params: unknown[]): void;
  /** Called when a statement has ended. */
  logStatement?(event: StatementEvent): void;
}
