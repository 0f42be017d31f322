import { ClosedError, ConfigurationError, LaneLostError, LanesExhaustedError, LoginRefusedError, QueryFailedError } from '../errors.ts';
import type { CapSeat } from './cluster-cap.ts';
import type { LaneTransaction, TransactionOptions, Unit, UnitContext } from './lane.ts';
import type { LanePool } from './lane-pool.ts';
import type { PostgresLanePoolOptions } from './lane-pool-options.ts';
import { LaneQueue, type LaneRequest } from './lane-queue.ts';
import { LaneSlot } from './lane-slot.ts';
import type { StatementResult } from './statement.ts';

/** A lane that has been on one unit for longer is slow: a unit written behind it would wait, so an idle lane is better. In milliseconds. */
const slowAfterMs = 5;
const maxOpening = 4;
const reopenAfterMs = 250;

/**
 * Lanes to one database under one login.
 *
 * @example
 * ```ts
 * await using pool = new PostgresLanePool({
 *   cap, clusterId: 'eu-1', clusterMaxLanes: 40, database: 'tenancy_shared',
 *   open: async (signal) => await openPostgresLane({ …, signal }),
 * });
 * ```
 */
export class PostgresLanePool implements LanePool, AsyncDisposable {
  readonly #options: PostgresLanePoolOptions;
  readonly #maxLanes: number;
  readonly #maxLanesPerTenant: number;
  readonly #maxDepth: number;
  readonly #acquireTimeoutMs: number;
  readonly #seat: CapSeat;
  readonly #unwatch: (() => void) | undefined;
  readonly #slots = new Set<LaneSlot>();
  readonly #queue = new LaneQueue();
  /** Openings that wait for the cluster's cap: given up when nobody waits for a lane any more. */
  readonly #waitingForCap = new Set<AbortController>();
  /** Lanes that are being closed: the pool has closed when they have. */
  readonly #retiring = new Set<Promise<void>>();
  /** Gives openings up that nobody waits for when the pool closes. */
  readonly #opens = new AbortController();
  #opening = 0;
  #reopen: NodeJS.Timeout | undefined;
  #averageMs = 5;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  /** @throws {ConfigurationError} when a limit is no positive number */
  constructor(options: PostgresLanePoolOptions) {
    for (const name of ['maxLanes', 'maxLanesPerTenant', 'maxDepth', 'acquireTimeoutMs', 'idleTimeoutMs', 'maxQueued'] as const) {
      const value = options[name];
      if (value !== undefined && !(value >= 1)) throw new ConfigurationError(`The lane pool's ${name} is ${value}; it must be at least 1.`);
    }
    this.#options = Object.freeze({ ...options });
    this.#maxLanes = options.maxLanes ?? 10;
    this.#maxLanesPerTenant = options.maxLanesPerTenant ?? this.#maxLanes;
    this.#maxDepth = options.maxDepth ?? 3;
    this.#acquireTimeoutMs = options.acquireTimeoutMs ?? 5_000;
    this.#seat = options.cap.join(options.clusterId, options.clusterMaxLanes, { releaseIdle: () => this.#releaseIdle() });
    this.#unwatch = options.observer?.watch(this);
  }

  get size(): number {
    return this.#slots.size;
  }
  /** How many lanes have work under way. */
  get busy(): number {
    let busy = 0;
    for (const slot of this.#slots) if (slot.active > 0) busy++;
    return busy;
  }
  /** How many wait for a lane. */
  get queued(): number {
    return this.#queue.length;
  }

  async run(unit: Unit, signal?: AbortSignal): Promise<StatementResult> {
    for (let attempt = 1; ; attempt++) {
      const slot = await this.#acquire(unit.context, false, signal);
      try {
        return await slot.lane.run(unit, signal);
      } catch (error) {
        // Nothing of it can have been kept, so a second attempt on another lane is the same as a first.
        if (!(error instanceof LaneLostError) || error.sent || attempt === 2) throw error;
      } finally {
        this.#release(slot);
      }
    }
  }

  async transaction<T>(
    context: UnitContext,
    options: TransactionOptions,
    callback: (transaction: LaneTransaction) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      let called = false;
      const slot = await this.#acquire(context, true, options.signal);
      try {
        return await slot.lane.transaction(context, options, async (transaction) => {
          called = true;
          return await callback(transaction);
        });
      } catch (error) {
        // A callback may do more than query: once called, only its caller may decide to call it again.
        if (called || !(error instanceof LaneLostError) || error.sent || attempt === 2) throw error;
      } finally {
        this.#release(slot);
      }
    }
  }

  /** Refuses new work, lets everything accepted end, then closes the lanes. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      let closed = (): void => {};
      this.#closing = new Promise((resolve) => {
        closed = resolve;
      });
      void this.#close().then(closed);
    }
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #acquire(context: UnitContext, exclusive: boolean, signal: AbortSignal | undefined): Promise<LaneSlot> {
    const { tenantId } = context;
    if (this.#closing !== undefined) throw new ClosedError(`Work of tenant ${tenantId} was given to a pool that is closed.`, { tenantId });
    const request: LaneRequest = {
      tenantId,
      exclusive,
      priority: context.priority ?? 0,
      maxLanes: context.maxLanes ?? this.#maxLanesPerTenant,
    };
    if (this.#queue.length === 0) {
      const slot = this.#place(request);
      if (slot instanceof LaneSlot) {
        this.#options.observer?.waited(0);
        return slot;
      }
    }
    if (this.#queue.length >= (this.#options.maxQueued ?? 10_000)) throw this.#exhausted(tenantId, 'too many wait already');
    const waiting = this.#queue.wait(
      request,
      this.#acquireTimeoutMs,
      signal,
      () => this.#exhausted(tenantId, `none came free in ${this.#acquireTimeoutMs} ms`),
      () => this.#serve(),
    );
    this.#serve();
    const { observer } = this.#options;
    if (observer === undefined) return await waiting;
    const since = performance.now();
    try {
      return await waiting;
    } finally {
      observer.waited(performance.now() - since);
    }
  }

  /** Finds a lane for a request, or says why there is none. */
  #place({ tenantId, exclusive, maxLanes }: LaneRequest): LaneSlot | 'tenant full' | undefined {
    let occupied = 0;
    let own: LaneSlot | undefined;
    let idle: LaneSlot | undefined;
    let behind: LaneSlot | undefined;
    let slow: LaneSlot | undefined;
    const now = performance.now();
    for (const slot of this.#slots) {
      if (slot.idle) {
        if (slot.tenantId === tenantId) own ??= slot;
        else if (idle === undefined || slot.since < idle.since) idle = slot;
      } else if (slot.active > 0 && slot.tenantId === tenantId) {
        occupied++;
        if (exclusive || !slot.accepts(tenantId, this.#maxDepth)) continue;
        if (now - slot.since > slowAfterMs) slow ??= slot;
        else if (behind === undefined || slot.active > behind.active) behind = slot;
      }
    }
    const full = occupied >= maxLanes;
    const chosen = full ? (behind ?? slow) : (own ?? behind ?? idle ?? (this.#canGrow() ? undefined : slow));
    chosen?.take(tenantId, exclusive);
    return chosen ?? (full ? 'tenant full' : undefined);
  }

  #release(slot: LaneSlot): void {
    this.#averageMs = this.#averageMs * 0.95 + slot.release() * 0.05;
    if (slot.active === 0) {
      if (!slot.open) this.#drop(slot);
      else if (this.#seat.mustYield) this.#retire(slot);
      else slot.watch(this.#options.idleTimeoutMs ?? 30_000, () => this.#retire(slot));
    }
    this.#serve();
  }

  #serve(): void {
    this.#queue.serve((request) => this.#place(request));
    const wanted = this.#wanted();
    while (this.#canGrow() && this.#opening < wanted && this.#reopen === undefined) void this.#open();
    for (const waiting of this.#waitingForCap) {
      if (this.#waitingForCap.size <= wanted) break;
      this.#waitingForCap.delete(waiting);
      waiting.abort();
    }
    if (this.#closing !== undefined && this.#queue.length === 0) this.#opens.abort();
    if (this.#queue.length === 0 && this.#opening === 0 && [...this.#slots].every((slot) => slot.active === 0)) this.#drained?.();
  }

  /** How many more lanes those who wait could use, so that nobody's room is taken for a tenant that has all it may have. */
  #wanted(): number {
    if (this.#queue.length === 0) return 0;
    const room = new Map<string, number>();
    return this.#queue.count(maxOpening, ({ tenantId, maxLanes }) => {
      const left = room.get(tenantId) ?? maxLanes - this.#occupiedBy(tenantId);
      room.set(tenantId, left - 1);
      return left > 0;
    });
  }

  #occupiedBy(tenantId: string): number {
    let occupied = 0;
    for (const slot of this.#slots) if (slot.active > 0 && slot.tenantId === tenantId) occupied++;
    return occupied;
  }

  #canGrow(): boolean {
    return this.#slots.size + this.#opening < this.#maxLanes;
  }

  async #open(): Promise<void> {
    this.#opening++;
    const waiting = new AbortController();
    this.#waitingForCap.add(waiting);
    let leave: (() => void) | undefined;
    try {
      leave = await this.#seat.acquire(waiting.signal);
      this.#waitingForCap.delete(waiting);
      const lane = await this.#options.open(this.#opens.signal);
      try {
        await this.#options.onOpen?.(lane);
      } catch (error) {
        await lane.close();
        throw error;
      }
      this.#add(new LaneSlot(lane, leave));
    } catch (error) {
      leave?.();
      if (!waiting.signal.aborted) this.#openingFailed(error as Error);
    } finally {
      this.#waitingForCap.delete(waiting);
      this.#opening--;
      this.#serve();
    }
  }

  #add(slot: LaneSlot): void {
    this.#slots.add(slot);
    void slot.lane.ended.then(() => {
      if (slot.lane.state === 'lost') this.#options.observer?.lost();
      this.#drop(slot);
    });
    slot.watch(this.#options.idleTimeoutMs ?? 30_000, () => this.#retire(slot));
  }

  /** A refused login is refused for all who wait, and so is a server that nobody reaches; lanes that work, or are still being opened, may serve. */
  #openingFailed(error: Error): void {
    const forAll =
      error instanceof LoginRefusedError ||
      error instanceof ConfigurationError ||
      (error instanceof QueryFailedError && /^(?:28|3D)/.test(error.sqlState));
    if (forAll || (this.#opening === 1 && ![...this.#slots].some((slot) => slot.open))) {
      this.#queue.failAll(error);
      return;
    }
    this.#reopen ??= setTimeout(() => {
      this.#reopen = undefined;
      this.#serve();
    }, reopenAfterMs).unref();
  }

  #releaseIdle(): boolean {
    let oldest: LaneSlot | undefined;
    for (const slot of this.#slots) if (slot.idle && (oldest === undefined || slot.since < oldest.since)) oldest = slot;
    if (oldest !== undefined) this.#retire(oldest);
    return oldest !== undefined;
  }

  #retire(slot: LaneSlot): void {
    this.#drop(slot);
    const closed = slot.lane.close().finally(() => this.#retiring.delete(closed));
    this.#retiring.add(closed);
  }

  #drop(slot: LaneSlot): void {
    if (this.#slots.delete(slot)) this.#serve();
  }

  async #close(): Promise<void> {
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    this.#serve();
    await drained;
    clearTimeout(this.#reopen);
    const lanes = [...this.#slots].map((slot) => slot.lane);
    this.#slots.clear();
    await Promise.all([...this.#retiring, ...lanes.map(async (lane) => await lane.close())]);
    this.#seat.leave();
    this.#unwatch?.();
  }

  #exhausted(tenantId: string, why: string): LanesExhaustedError {
    const estimate = (this.#queue.length * this.#averageMs) / Math.max(this.#slots.size, 1);
    return new LanesExhaustedError(`No lane to the database "${this.#options.database}" for tenant ${tenantId}: ${why}.`, {
      tenantId,
      retryAfterMs: Math.ceil(Math.min(Math.max(estimate, 50), 5_000)),
      hint: 'Try again later, or allow more lanes.',
    });
  }
}
