import type { Statement, StatementResult } from './statement.ts';

/**
 * What travels ahead of a statement: who it runs as. Applied with `set_config(…, true)` only, so that it ends with the transaction
 * and a pooler in transaction mode is safe.
 */
export interface UnitContext {
  readonly tenantId: string;
  /**
   * Signs the context for the lane's backend; a bound parameter, never statement text.
   *
   * @param backendPid the lane's own backend, or 0 behind a pooler
   * @param grant the audit entry of the cross-tenant access that the work belongs to
   */
  sign(backendPid: number, grant?: string): string;
  /** Set for raw SQL only; the ORM writes qualified names. */
  readonly searchPath: string | undefined;
  /** Whether the caller wrote the SQL: the lane then cleans the session after the COMMIT. */
  readonly raw: boolean;
  /** Shown for this unit in `pg_stat_activity`, at most 63 bytes; the lane's own unless told. */
  readonly applicationName?: string | undefined;
  /** Who goes first when lanes are short: the higher, 0 unless told. The tenant's tier decides it. */
  readonly priority?: number | undefined;
  /** How many lanes this tenant may occupy at a time; the pool's own limit unless told. */
  readonly maxLanes?: number | undefined;
}

/** One statement with its context: begin, context, statement, commit, in one round trip. */
export interface Unit {
  readonly context: UnitContext;
  readonly statement: Statement;
}

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable';

export interface TransactionOptions {
  readonly isolationLevel?: IsolationLevel | undefined;
  readonly accessMode?: 'read write' | 'read only' | undefined;
  readonly deferrable?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An open transaction; it owns its lane until it ends. Every method throws {@link TransactionOverError} afterwards. */
export interface LaneTransaction {
  readonly over: boolean;
  /** Runs a statement; the BEGIN and the context travel with the first. */
  execute(statement: Statement, options?: { readonly raw?: boolean; readonly signal?: AbortSignal | undefined }): Promise<StatementResult>;
  savepoint<T>(callback: () => Promise<T>): Promise<T>;
  /**
   * Runs one `COPY … TO STDOUT` inside the transaction and yields its data as it comes. No other statement of the transaction runs
   * meanwhile: one that is given is refused. Ending the iteration early cancels it and fails the transaction.
   *
   * @throws {NotSupportedError} when the text is anything else
   */
  copyTo(text: string, options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<Uint8Array>;
}

/** One connection on which scoped statements are pipelined. It serves one tenant at a time and never reconnects. */
export interface Lane {
  readonly id: number;
  /** `closing`: it takes no new work and ends with what is under way, because its statements reached their bound or it was closed. */
  readonly state: 'open' | 'closing' | 'lost' | 'closed';
  /** The backend behind it, or 0 behind a pooler. */
  readonly backendPid: number;
  /** The tenant that it served last: an idle lane is preferred by the tenant whose plans it has. */
  readonly lastTenantId: string | undefined;
  /** How many units are under way. */
  readonly depth: number;
  /**
   * Runs one unit; calls for one tenant may overlap, another tenant's are refused until they have settled.
   *
   * @throws {LaneLostError} when the connection died
   * @throws {PlanInvalidatedError} when a migration invalidated the plan; nothing was kept
   * @throws {PolicyViolationError} on 42501, {@link QueryFailedError} on every other SQLSTATE
   * @throws {TransactionAbortedError} when the COMMIT answered ROLLBACK
   */
  run(unit: Unit, signal?: AbortSignal): Promise<StatementResult>;
  /** Runs a callback in one transaction: COMMIT when it resolves, ROLLBACK when it rejects, neither once the connection died. */
  transaction<T>(context: UnitContext, options: TransactionOptions, callback: (transaction: LaneTransaction) => Promise<T>): Promise<T>;
  /** Resolves when the connection has ended, for whichever reason. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}
