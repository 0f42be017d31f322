import { AsyncLocalStorage } from 'node:async_hooks';
import { TransactionOverError } from '../errors.ts';

/** The statements that one callback issues: the transaction's own, or a savepoint's. */
export interface SavepointLevel {
  readonly tree: SavepointTree;
  /** The level that this one was entered from, of whichever transaction. */
  readonly outer: SavepointLevel | undefined;
  open: boolean;
  /** Pending while a savepoint inside this level is open. */
  inner: Promise<void> | undefined;
}

/** What a savepoint needs of its transaction once it is set. */
export interface SavepointEnds {
  release(): Promise<void>;
  undo(): Promise<void>;
}

const levels = new AsyncLocalStorage<SavepointLevel>();

/**
 * Keeps savepoints properly nested while callbacks overlap: a sibling, or a statement from outside, waits until the open savepoint has
 * ended. Without that it would run inside, and be undone with it although its promise had resolved.
 */
export class SavepointTree {
  readonly #root: SavepointLevel = { tree: this, outer: undefined, open: true, inner: undefined };
  readonly #tenantId: string;
  #count = 0;

  constructor(tenantId: string) {
    this.#tenantId = tenantId;
  }

  /** The level of the code that is running now. */
  get current(): SavepointLevel {
    for (let level = levels.getStore(); level !== undefined; level = level.outer) if (level.tree === this) return level;
    return this.#root;
  }

  /** @throws {TransactionOverError} when the savepoint that the code runs under has ended */
  requireOpen(level: SavepointLevel): void {
    if (level.open) return;
    throw new TransactionOverError(`A statement of tenant ${this.#tenantId} was given to a savepoint that is over; it was not sent.`, {
      tenantId: this.#tenantId,
      hint: 'Await everything inside the callback.',
    });
  }

  async enter<T>(set: (name: string) => Promise<SavepointEnds>, callback: () => Promise<T>): Promise<T> {
    const parent = this.current;
    while (parent.inner !== undefined) await parent.inner;
    this.requireOpen(parent);
    let ended = (): void => {};
    parent.inner = new Promise((resolve) => {
      ended = resolve;
    });
    const level: SavepointLevel = { tree: this, outer: levels.getStore(), open: true, inner: undefined };
    try {
      const ends = await set(`s${++this.#count}`);
      try {
        const value = await levels.run(level, async () => await callback());
        await this.#close(level);
        await ends.release();
        return value;
      } catch (error) {
        await this.#close(level);
        // The callback's error says why; a transaction that can't be rolled back to here is dead and says so at its end.
        await ends.undo().catch(() => {});
        throw error;
      }
    } finally {
      level.open = false;
      parent.inner = undefined;
      ended();
    }
  }

  async #close(level: SavepointLevel): Promise<void> {
    level.open = false;
    while (level.inner !== undefined) await level.inner;
  }
}
