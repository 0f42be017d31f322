import { ConfigurationError, LaneLostError, QueryFailedError, type TenancyError, WrongTenantError } from '../errors.ts';
import { checkCommand } from './command-check.ts';
import type { DatabaseCredentials } from './credentials.ts';
import { createDriverClient } from './driver-client.ts';
import { abortedError, lostError, queryError } from './driver-error.ts';
import { DriverWire } from './driver-wire.ts';
import { FrameReader } from './frame-reader.ts';
import type { Lane, LaneTransaction, TransactionOptions, Unit, UnitContext } from './lane.ts';
import { connectSocket, type LaneAddress } from './lane-socket.ts';
import { type EncodedParameter, encodeParameters } from './parameters.ts';
import type { PlanCacheMode } from './plan-cache-mode.ts';
import { runTransaction } from './postgres-transaction.ts';
import { ProtocolWire } from './protocol-wire.ts';
import type { StatementResult } from './statement.ts';
import { needsCleaning, readUnit, sendUnit } from './unit-sender.ts';
import type { PreparedUnit, Wire } from './wire.ts';

/** Who speaks the protocol once a lane is logged in: the lane itself, or postgres.js. */
export type LaneWire = 'own' | 'driver';

export interface PostgresLaneOptions extends LaneAddress {
  readonly database: string;
  readonly credentials: DatabaseCredentials;
  /** Shown in `pg_stat_activity`; `tenancy` unless told. */
  readonly applicationName?: string | undefined;
  /** Whether `host:port` is a pooler in transaction mode: nothing is kept prepared and the context names no backend. */
  readonly pooled?: boolean | undefined;
  /** How long connecting, logging in and the first answer may take together, in milliseconds; 10,000 unless told. */
  readonly connectTimeoutMs?: number | undefined;
  /** Behind a pooler it is always the driver, which keeps nothing prepared there; `own` unless told. */
  readonly wire?: LaneWire | undefined;
  /**
   * How many statements are kept prepared; 500 unless told. The own wire closes the one used longest ago; postgres.js never lets go of
   * one, so that a lane on it takes no new work from there on.
   */
  readonly maxStatements?: number | undefined;
  /** How the server plans them; its own setting unless told. Behind a pooler nothing is kept prepared, and it has no meaning. */
  readonly planCacheMode?: PlanCacheMode | undefined;
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
    // Reads along from the first byte, so that whoever takes over from the driver begins at the beginning of a message.
    const reader = new FrameReader(() => socket.destroy());
    const read = (chunk: Buffer): void => reader.push(chunk);
    socket.on('data', read);
    const pooled = options.pooled ?? false;
    const client = createDriverClient(socket, {
      database: options.database,
      user: options.credentials.user,
      password: options.credentials.password,
      applicationName: options.applicationName ?? 'tenancy',
      planCacheMode: pooled ? undefined : options.planCacheMode,
    });
    const login = new DriverWire(client, socket, address, pooled);
    const abort = (): void => {
      login.destroy();
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      const backendPid = await greet(login, options);
      if (pooled || options.wire === 'driver' || login.key === undefined) {
        socket.off('data', read);
        return new PostgresLane(login, backendPid, options);
      }
      login.handOver();
      const wire = new ProtocolWire({ socket, reader, address, key: login.key, maxStatements: options.maxStatements ?? 500 });
      return new PostgresLane(wire, backendPid, options);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  } catch (error) {
    throw openingError(error, options);
  }
}

/** Asks which backend answers. Behind a pooler that would be whichever comes next, so nothing is asked there but that it answers. */
async function greet(wire: DriverWire, options: PostgresLaneOptions): Promise<number> {
  const outcome = await wire.bound('select pg_catalog.pg_backend_pid()', [], false);
  if (outcome.kind === 'refused') throw queryError(outcome.error, undefined, `Opening a lane to the database "${options.database}"`);
  if (outcome.kind !== 'answer') throw lostError(undefined, false);
  if (options.pooled === true) return 0;
  const pid = outcome.result.rows[0]?.[0] as number;
  if (pid !== wire.key?.pid) {
    throw new ConfigurationError(
      `The database "${options.database}" is reached through a pooler, but its cluster is not marked as pooled.`,
      {
        hint: 'Set pooled: true on the cluster, which keeps nothing prepared on it, or give it the address of the server itself.',
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
  readonly #wire: Wire;
  readonly #pooled: boolean;
  readonly #maxStatements: number;
  #state: Lane['state'] = 'open';
  #lastTenantId: string | undefined;
  #depth = 0;
  #exclusive = false;
  #drained: (() => void) | undefined;

  constructor(wire: Wire, backendPid: number, options: PostgresLaneOptions) {
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

  run(unit: Unit, signal?: AbortSignal): Promise<StatementResult> {
    const { context, statement } = unit;
    const { tenantId } = context;
    let params: readonly EncodedParameter[];
    try {
      checkCommand(statement.text, tenantId);
      params = encodeParameters(statement.params, tenantId);
      this.#enter(tenantId, false);
    } catch (error) {
      return Promise.reject(error);
    }
    const wire = this.#wire;
    if (signal !== undefined || wire.cancelling !== undefined || wire.lost || needsCleaning(unit))
      return this.#careful(unit, params, signal, 1);
    return new Promise((resolve, reject) => {
      const { cancels } = wire;
      try {
        const prepared: PreparedUnit = { context, statement, params, token: context.sign(this.backendPid) };
        wire.unit(prepared, (answer) => {
          const outcome = readUnit(wire, prepared, answer, false, wire.cancels !== cancels);
          if ('result' in outcome) {
            this.#leave(false);
            resolve(outcome.result);
          } else if (outcome.repeat) resolve(this.#careful(unit, params, signal, 2));
          else {
            this.#leave(false);
            reject(outcome.error);
          }
        });
      } catch (error) {
        this.#leave(false);
        reject(error);
      }
    });
  }

  /** Runs a unit that may have to wait, to be cancelled, or to be run again whole. */
  async #careful(
    { context, statement }: Unit,
    params: readonly EncodedParameter[],
    signal: AbortSignal | undefined,
    first: number,
  ): Promise<StatementResult> {
    try {
      for (let attempt = first; ; attempt++) {
        await this.#ready(context.tenantId, signal);
        // The second attempt relies on nothing that was, or was not, prepared by others.
        const own = attempt === 1 ? statement : { ...statement, prepare: false };
        const unit: PreparedUnit = { context, statement: own, params, token: context.sign(this.backendPid) };
        const outcome = await sendUnit(this.#wire, unit, this.#pooled, signal);
        if ('result' in outcome) return outcome.result;
        if (!outcome.repeat || attempt >= 2) throw outcome.error;
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
