import type { DatabaseCredentials } from '../connection/credentials.ts';
import type { LaneTransaction, TransactionOptions, Unit, UnitContext } from '../connection/lane.ts';
import type { LanePool } from '../connection/lane-pool.ts';
import type { StatementResult } from '../connection/statement.ts';
import { LaneLostError } from '../errors.ts';
import type { CheckLogin, OpenPool, PoolRequest } from './pool-request.ts';
import { TrackedPool } from './tracked-pool.ts';

export interface LoginPoolParts {
  readonly openPool: OpenPool;
  readonly checkLogin: CheckLogin;
  readonly now: () => number;
}

/**
 * The lanes of one database under one login, as routes hold them: the login is checked before the first unit, an idle pool is closed
 * and opened again by the next unit without its routes noticing.
 */
export class LoginPool implements LanePool {
  readonly #request: PoolRequest;
  readonly #parts: LoginPoolParts;
  readonly #leaving = new Set<TrackedPool>();
  #current: TrackedPool | undefined;
  #opening: Promise<TrackedPool> | undefined;
  #retired = false;

  constructor(request: PoolRequest, parts: LoginPoolParts) {
    this.#request = Object.freeze({ ...request });
    this.#parts = parts;
  }

  get size(): number {
    return this.#current?.size ?? 0;
  }

  /** Whether this is still the login to use. */
  uses(credentials: DatabaseCredentials): boolean {
    return this.#request.credentials.user === credentials.user && this.#request.credentials.password === credentials.password;
  }

  /** @throws {LoginRefusedError} when its login could step over row-level security */
  async ready(): Promise<void> {
    if (this.#current === undefined) await this.#open();
  }

  run(unit: Unit, signal?: AbortSignal): Promise<StatementResult> {
    return this.#current === undefined ? this.#onceOpen((pool) => pool.run(unit, signal)) : this.#current.run(unit, signal);
  }

  transaction<T>(context: UnitContext, options: TransactionOptions, callback: (transaction: LaneTransaction) => Promise<T>): Promise<T> {
    return this.#current === undefined
      ? this.#onceOpen((pool) => pool.transaction(context, options, callback))
      : this.#current.transaction(context, options, callback);
  }

  /** Closes the lanes if nothing ran on them for that long. */
  closeIdle(idleMs: number): void {
    if (this.#current !== undefined && this.#current.idleForMs >= idleMs) this.#letGo();
  }

  /** Another login has taken its place: what runs ends in peace, nothing new begins. Resolves when all has ended. */
  async retire(): Promise<void> {
    this.#retired = true;
    this.#letGo();
    await Promise.allSettled([...this.#leaving].map((pool) => pool.ended));
  }

  async close(): Promise<void> {
    this.#retired = true;
    await this.#opening?.catch(() => {});
    this.#letGo();
    await Promise.all([...this.#leaving].map((pool) => pool.close()));
  }

  #letGo(): void {
    const pool = this.#current;
    if (pool === undefined) return;
    this.#current = undefined;
    this.#leaving.add(pool);
    pool.retire();
    pool.ended
      .finally(() => {
        this.#leaving.delete(pool);
      })
      .catch(() => {});
  }

  /** Nothing may come between finding the pool and using it: a microtask is enough for another login to take its place, or for idleness to. */
  async #onceOpen<T>(use: (pool: TrackedPool) => Promise<T>): Promise<T> {
    for (;;) {
      await this.#open();
      if (this.#current !== undefined) return await use(this.#current);
    }
  }

  #open(): Promise<TrackedPool> {
    this.#requireServing();
    this.#opening ??= this.#openNow().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openNow(): Promise<TrackedPool> {
    await this.#parts.checkLogin(this.#request);
    this.#requireServing();
    this.#current = new TrackedPool(this.#parts.openPool(this.#request), this.#parts.now);
    return this.#current;
  }

  #requireServing(): void {
    if (!this.#retired) return;
    throw new LaneLostError(
      `The login of ${this.#request.cluster.id}/${this.#request.database} was replaced or closed; nothing was sent.`,
      {
        sent: false,
        hint: 'Run the work again: it takes the new login.',
      },
    );
  }
}
