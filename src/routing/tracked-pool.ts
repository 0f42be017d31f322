import type { LaneTransaction, TransactionOptions, Unit, UnitContext } from '../connection/lane.ts';
import type { LanePool } from '../connection/lane-pool.ts';
import type { StatementResult } from '../connection/statement.ts';

/** Counts what is under way on a pool, so that it can be closed when nothing is. */
export class TrackedPool implements LanePool {
  readonly #pool: LanePool;
  readonly #now: () => number;
  #active = 0;
  #usedAt: number;
  #retired = false;
  #closing: Promise<void> | undefined;
  #end!: (closing: Promise<void>) => void;
  /** Settles when the pool has closed. */
  readonly ended: Promise<void>;

  constructor(pool: LanePool, now: () => number) {
    this.#pool = pool;
    this.#now = now;
    this.#usedAt = now();
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get size(): number {
    return this.#pool.size;
  }

  /** How long nothing has run on it, in milliseconds; 0 while something does. */
  get idleForMs(): number {
    return this.#active > 0 ? 0 : this.#now() - this.#usedAt;
  }

  run(unit: Unit, signal?: AbortSignal): Promise<StatementResult> {
    return this.#counted(this.#pool.run(unit, signal));
  }

  transaction<T>(context: UnitContext, options: TransactionOptions, callback: (transaction: LaneTransaction) => Promise<T>): Promise<T> {
    return this.#counted(this.#pool.transaction(context, options, callback));
  }

  /** Closes the pool as soon as what runs on it has ended. */
  retire(): void {
    this.#retired = true;
    if (this.#active === 0) this.close().catch(() => {});
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#pool.close();
      this.#end(this.#closing);
    }
    return this.#closing;
  }

  /** The caller gets the pool's own promise: another one for every statement would cost more than the count. */
  #counted<T>(work: Promise<T>): Promise<T> {
    this.#active++;
    work.then(this.#leave, this.#leave);
    return work;
  }

  readonly #leave = (): void => {
    this.#usedAt = this.#now();
    if (--this.#active === 0 && this.#retired) this.close().catch(() => {});
  };
}
