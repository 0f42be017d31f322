import { AsyncResource } from 'node:async_hooks';
import type { TransactionOptions } from '../connection/lane.ts';
import { TransactionOverError } from '../errors.ts';
import type { AmbientTransaction } from './ambient-transaction.ts';

type Begin = (options: TransactionOptions, callback: (transaction: AmbientTransaction) => Promise<void>) => Promise<void>;

class RolledBack extends Error {}

/** A transaction (or savepoint) that stays open while somebody reads from it, and ends when told or with its scope. */
export class HeldTransaction {
  readonly transaction: AmbientTransaction;
  readonly #commit: () => void;
  readonly #rollBack: (reason: Error) => void;
  readonly #ending: () => Promise<void>;
  readonly #unhook: () => void;
  /** Made in the transaction's callback: a lane tells by it that a statement belongs to the savepoint that is open. */
  readonly #inside = new AsyncResource('HeldTransaction');

  private constructor(transaction: AmbientTransaction, commit: () => void, rollBack: (reason: Error) => void, ending: () => Promise<void>) {
    this.transaction = transaction;
    this.#commit = commit;
    this.#rollBack = rollBack;
    this.#ending = ending;
    // Who forgets to end an iteration must not keep a lane.
    this.#unhook = transaction.scope.onEnd(() => rollBack(new RolledBack()));
  }

  static open(begin: Begin, options: TransactionOptions): Promise<HeldTransaction> {
    return new Promise((resolve, reject) => {
      const ending = begin(
        options,
        (transaction) =>
          new Promise<void>((commit, rollBack) => {
            resolve(new HeldTransaction(transaction, commit, rollBack, () => ending));
          }),
      );
      ending.catch(reject);
    });
  }

  /** Iterates inside the transaction or savepoint, whoever asks for the next element. */
  async *through<T>(source: () => AsyncIterable<T>): AsyncGenerator<T, void, void> {
    const enter = <R>(call: () => R): R => this.#inside.runInAsyncScope(call);
    const iterator = enter(() => source()[Symbol.asyncIterator]());
    let done = false;
    try {
      for (;;) {
        const step = await enter(() => iterator.next());
        done = step.done === true;
        if (step.done === true) return;
        yield step.value;
      }
    } finally {
      if (!done) await enter(() => iterator.return?.());
    }
  }

  /** Commits, or rolls back. What goes wrong with a COMMIT is thrown; after a rollback nothing is left that could matter. */
  async end(keep: boolean): Promise<void> {
    this.#unhook();
    if (keep) this.#commit();
    else this.#rollBack(new RolledBack());
    const ended = this.#ending();
    await (keep ? ended : ended.catch(() => {}));
  }

  /** Why the transaction ended by itself, for an error that only says that it is over. */
  async reason(error: unknown): Promise<unknown> {
    if (!(error instanceof TransactionOverError)) return error;
    return this.#ending().then(
      () => error,
      (reason: unknown) => (reason instanceof RolledBack ? error : reason),
    );
  }
}
