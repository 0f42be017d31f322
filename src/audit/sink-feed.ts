import { setTimeout as sleep } from 'node:timers/promises';
import { TenancyError } from '../errors.ts';
import type { AuditEvent } from './audit-event.ts';
import type { AuditSink } from './audit-sink.ts';

export interface SinkFeedOptions {
  /** How many entries may wait. */
  readonly maxQueue: number;
  /** How many entries travel in one write at most. */
  readonly maxBatch: number;
  /** How long one write may take before it counts as failed, in milliseconds. */
  readonly timeoutMs: number;
}

interface Item {
  readonly event: AuditEvent;
  readonly settle: (error?: unknown) => void;
}

const shortestPauseMs = 100;
const longestPauseMs = 5_000;

/**
 * One sink's queue. Entries of the same tick travel in one write, and those that come while it is under way in the next: order is kept and
 * a burst costs few writes. One write is under way at a time.
 */
export class SinkFeed {
  readonly sink: AuditSink;
  readonly #options: SinkFeedOptions;
  readonly #queue: Item[] = [];
  readonly #room: (() => void)[] = [];
  #pumping: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;

  constructor(sink: AuditSink, options: SinkFeedOptions) {
    this.sink = sink;
    this.#options = options;
  }

  get required(): boolean {
    return this.sink.required !== false;
  }

  /** Whether it has no room for another entry. */
  get full(): boolean {
    return this.#queue.length >= this.#options.maxQueue;
  }

  /** Resolves when there may be room again, or when the time is up, in milliseconds. */
  async room(withinMs: number): Promise<void> {
    const deadline = new AbortController();
    await Promise.race([
      new Promise<void>((resolve) => {
        this.#room.push(resolve);
      }),
      sleep(withinMs, undefined, { signal: deadline.signal }).catch(() => {}),
    ]);
    deadline.abort();
  }

  /**
   * Queues an entry.
   *
   * @returns resolves when the sink kept it; rejects when it did not, also if it is offered again later
   */
  add(event: AuditEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ event, settle: (error) => (error === undefined ? resolve() : reject(error)) });
      this.#pump();
    });
  }

  /** Tries once more to deliver what waits, then closes the sink. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#pump();
    await this.#pumping;
    await this.sink.close();
  }

  #pump(): void {
    this.#pumping ??= this.#deliver();
  }

  async #deliver(): Promise<void> {
    // One turn of the microtask queue: whoever records in the same tick joins.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, this.#options.maxBatch);
      const error = await this.#write(batch);
      if (error === undefined) this.#take(batch.length);
      else if (batch.length > 1 && !isAway(error)) await this.#oneByOne(batch);
      else if (this.sink.redeliver === true && isAway(error)) {
        this.#putOff(error);
        break;
      } else this.#take(batch.length, error);
    }
    // In the same step as the last look at the queue: an entry in between would wait for nobody.
    this.#pumping = undefined;
  }

  /** An entry that the sink refuses must not take down those that shared its write. */
  async #oneByOne(batch: readonly Item[]): Promise<void> {
    for (const item of batch) {
      const error = await this.#write([item]);
      // The store went away meanwhile: the rest is the next write's.
      if (error !== undefined && isAway(error)) return;
      this.#take(1, error);
    }
  }

  /** @returns why it was not kept; undefined when it was */
  async #write(items: readonly Item[]): Promise<unknown> {
    const deadline = new AbortController();
    try {
      await Promise.race([
        this.sink.write(items.map(({ event }) => event)),
        sleep(this.#options.timeoutMs, undefined, { signal: deadline.signal }).then(() => {
          throw new TenancyError(`The audit sink ${this.sink.name} took longer than ${this.#options.timeoutMs} ms.`, { retryable: true });
        }),
      ]);
      this.#failures = 0;
      return undefined;
    } catch (error) {
      return error ?? new Error('The sink failed without a reason.');
    } finally {
      deadline.abort();
    }
  }

  #take(count: number, error?: unknown): void {
    for (const { settle } of this.#queue.splice(0, count)) settle(error);
    for (const wake of this.#room.splice(0)) wake();
  }

  /** Everybody who waits hears of it; the entries stay and are offered again by the next entry, or after a pause. */
  #putOff(error: unknown): void {
    for (const { settle } of this.#queue) settle(error);
    if (this.#closed) {
      this.#queue.length = 0;
      return;
    }
    clearTimeout(this.#retry);
    const pause = Math.min(shortestPauseMs * 2 ** this.#failures++, longestPauseMs);
    this.#retry = setTimeout(() => this.#pump(), pause);
    this.#retry.unref();
  }
}

function isAway(error: unknown): boolean {
  return error instanceof TenancyError && error.retryable;
}
