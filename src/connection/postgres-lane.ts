import { ConfigurationError, LaneLostError, QueryFailedError, type TenancyError, WrongTenantError } from '../errors.ts';
import { checkCommand } from './command-check.ts';
import type { DatabaseCredentials } from './credentials.ts';
import { createDriverClient } from './driver-client.ts';
import { abortedError, lostError, queryError } from './driver-error.ts';
import type { Lane, LaneTransaction, TransactionOptions, Unit, UnitContext } from './lane.ts';
import { connectSocket, type LaneAddress } from './lane-socket.ts';
import { LaneWire } from './lane-wire.ts';
import { encodeParameters } from './parameters.ts';
import { runTransaction } from './postgres-transaction.ts';
import type { StatementResult } from './statement.ts';
import { sendUnit } from './unit-sender.ts';

export interface PostgresLaneOptions extends LaneAddress {
  readonly database: string;
  readonly credentials: DatabaseCredentials;
  /** Shown in `pg_stat_activity`; `tenancy` unless told. */
  readonly applicationName?: string | undefined;
  /** Whether `host:port` is a pooler in transaction mode: nothing is kept prepared and the context names no backend. */
  readonly pooled?: boolean | undefined;
  /** How long connecting, logging in and the first answer may take together, in milliseconds; 10,000 unless told. */
  readonly connectTimeoutMs?: number | undefined;
  /** How many statements may be prepared before the lane takes no new work; 500 unless told. postgres.js never lets go of one. */
  readonly maxStatements?: number | undefined;
  /** Called once when the connection ends without `close`. */
  readonly onLost?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

let lastId = 0;

/**
 * Opens a lane over postgres.js: one connection, made once, never made again.
 *
 * @throws {LaneLostError} when the server can't be reached in time; nothing was sent, so another attempt is safe
 * @throws {QueryFailedError} when it refuses the login or the database
 * @throws {ConfigurationError} when `pooled` is false but a pooler answers
 * @throws {AbortedError} when the signal came first
 * @example
 * ```ts
 * const lane = await openPostgresLane({ host, port: 5432, tls: 'verify-full', database: 'tenancy_shared', credentials });
 * const { rows } = await lane.run({ context, statement });
 * ```
 */
export async function openPostgresLane(options: PostgresLaneOptions): Promise<Lane> {
  const deadline = AbortSignal.timeout(options.connectTimeoutMs ?? 10_000);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  const address: LaneAddress = { host: options.host, port: options.port, tls: options.tls };
  try {
    const socket = await connectSocket(address, signal);
    const client = createDriverClient(socket, {
      database: options.database,
      user: options.credentials.user,
      password: options.credentials.password,
      applicationName: options.applicationName ?? 'tenancy',
    });
    const wire = new LaneWire(client, socket, address);
    const abort = (): void => {
      wire.destroy();
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      return new PostgresLane(wire, await greet(wire, options), options);
    } catch (error) {
      wire.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  } catch (error) {
    throw openingError(error, options);
  }
}

/** Asks which backend answers. Behind a pooler that would be whichever comes next, so nothing is asked there but that it answers. */
async function greet(wire: LaneWire, options: PostgresLaneOptions): Promise<number> {
  const outcome = await wire.bound('select pg_catalog.pg_backend_pid()', [], false);
  if (outcome.kind === 'refused') throw queryError(outcome.error, undefined, `Opening a lane to the database "${options.database}"`);
  if (outcome.kind !== 'answer') throw lostError(undefined, false);
  if (options.pooled === true) return 0;
  const pid = (outcome.result[0] as readonly [number])[0];
  if (pid !== wire.key?.pid) {
    throw new ConfigurationError(
      `The database "${options.database}" is reached through a pooler, but its cluster is not marked as pooled.`,
      {
        hint: 'Set pooled: true on the cluster, or give it the address of the server itself.',
      },
    );
  }
  return pid;
}

function openingError(error: unknown, options: PostgresLaneOptions): TenancyError {
  if (error instanceof QueryFailedError || error instanceof ConfigurationError) return error;
  if (options.signal?.aborted === true) return abortedError(undefined, 'Opening a lane');
  const code = (error as { code?: unknown } | null)?.code;
  const reason = typeof code === 'string' && /^[A-Z_0-9]+$/.test(code) && !(error instanceof LaneLostError) ? ` (${code})` : '';
  return new LaneLostError(`No lane to the database "${options.database}" at ${options.host}:${options.port} could be opened${reason}.`, {
    sent: false,
    hint: 'Check that the server runs, and its address and TLS settings.',
  });
}

class PostgresLane implements Lane, AsyncDisposable {
  readonly id = ++lastId;
  readonly backendPid: number;
  readonly ended: Promise<void>;
  readonly #wire: LaneWire;
  readonly #pooled: boolean;
  readonly #maxStatements: number;
  #state: Lane['state'] = 'open';
  #lastTenantId: string | undefined;
  #depth = 0;
  #exclusive = false;
  #drained: (() => void) | undefined;

  constructor(wire: LaneWire, backendPid: number, options: PostgresLaneOptions) {
    this.#wire = wire;
    this.backendPid = backendPid;
    this.#pooled = options.pooled ?? false;
    this.#maxStatements = options.maxStatements ?? 500;
    this.ended = wire.ended.then(() => {
      if (this.#state === 'closed') return;
      this.#state = 'lost';
      options.onLost?.();
    });
  }

  get state(): Lane['state'] {
    return this.#wire.lost && this.#state !== 'closed' ? 'lost' : this.#state;
  }
  get lastTenantId(): string | undefined {
    return this.#lastTenantId;
  }
  get depth(): number {
    return this.#depth;
  }

  async run(unit: Unit, signal?: AbortSignal): Promise<StatementResult> {
    const { context, statement } = unit;
    checkCommand(statement.text, context.tenantId);
    const params = encodeParameters(statement.params, context.tenantId);
    this.#enter(context.tenantId, false);
    try {
      for (let attempt = 1; ; attempt++) {
        await this.#ready(context.tenantId, signal);
        const outcome = await sendUnit(
          this.#wire,
          { context, statement, params, token: context.sign(this.backendPid) },
          this.#pooled,
          signal,
        );
        if ('result' in outcome) return outcome.result;
        if (!outcome.repeat || attempt === 2) throw outcome.error;
      }
    } finally {
      this.#leave(false);
    }
  }

  async transaction<T>(
    context: UnitContext,
    options: TransactionOptions,
    callback: (transaction: LaneTransaction) => Promise<T>,
  ): Promise<T> {
    this.#enter(context.tenantId, true);
    try {
      await this.#ready(context.tenantId, options.signal);
      return await runTransaction({ wire: this.#wire, backendPid: this.backendPid, pooled: this.#pooled, context, options }, callback);
    } finally {
      this.#leave(true);
    }
  }

  /** Takes no new work, lets what is under way end, then ends the session. */
  async close(): Promise<void> {
    if (this.#state === 'open') this.#state = 'closing';
    if (this.#depth > 0)
      await Promise.race([
        this.ended,
        new Promise<void>((resolve) => {
          this.#drained = resolve;
        }),
      ]);
    await this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #enter(tenantId: string, exclusive: boolean): void {
    if (this.state !== 'open') {
      throw new LaneLostError(`A lane that is ${this.state} was given work of tenant ${tenantId}; nothing was sent.`, {
        tenantId,
        sent: false,
      });
    }
    if (this.#depth > 0 && (exclusive || this.#exclusive || this.#lastTenantId !== tenantId)) {
      throw new WrongTenantError(
        `A lane under work of tenant ${this.#lastTenantId} was given work of tenant ${tenantId}; nothing was sent.`,
        {
          tenantId,
          currentTenantId: this.#lastTenantId,
        },
      );
    }
    this.#depth++;
    this.#exclusive = exclusive;
    this.#lastTenantId = tenantId;
  }

  /** Waits until no cancel request is under way, then makes sure that sending still makes sense. */
  async #ready(tenantId: string, signal: AbortSignal | undefined): Promise<void> {
    while (this.#wire.cancelling !== undefined) await this.#wire.cancelling;
    if (signal?.aborted === true) throw abortedError(tenantId, 'A unit');
    if (this.#wire.lost) throw lostError(tenantId, false);
  }

  #leave(exclusive: boolean): void {
    if (exclusive) this.#exclusive = false;
    this.#depth--;
    if (this.#state === 'open' && this.#wire.statements >= this.#maxStatements) this.#state = 'closing';
    if (this.#depth > 0 || this.#state !== 'closing') return;
    this.#drained?.();
    void this.#end();
  }

  async #end(): Promise<void> {
    if (this.#state === 'closing' && !this.#wire.lost) this.#state = 'closed';
    await this.#wire.close();
    await this.ended;
  }
}
