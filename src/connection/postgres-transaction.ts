import { QueryFailedError, TransactionAbortedError, TransactionOverError } from '../errors.ts';
import { checkCommand, checkCopy, isRefusedTag } from './command-check.ts';
import type { CopyOut } from './copy-out.ts';
import { abortedError, isServerError, lostError, planError, statementError } from './driver-error.ts';
import type { LaneTransaction, TransactionOptions, UnitContext } from './lane.ts';
import { beginText, contextMessage, pathText } from './lane-texts.ts';
import type { LaneWire, WireOutcome } from './lane-wire.ts';
import { encodeParameters } from './parameters.ts';
import { SavepointTree } from './savepoint-tree.ts';
import { leavesSessionState } from './session-state.ts';
import type { Statement, StatementResult } from './statement.ts';
import { endError, endTransaction, refusedTag, resultOf } from './unit-sender.ts';

/** What a transaction runs on and as whom. */
export interface TransactionSetting {
  readonly wire: LaneWire;
  readonly backendPid: number;
  readonly pooled: boolean;
  readonly context: UnitContext;
  readonly options: TransactionOptions;
}

/** Context tokens live 120 s and are renewed at half of that. */
const renewAfterMs = 60_000;
const dropCopyWithinMs = 2_000;

/**
 * Runs a callback in one transaction. The callback is raced against the connection's death and the caller's signal: when either wins,
 * the transaction is over, and whatever the callback still does with it is refused, so that it can never end in a COMMIT.
 */
export async function runTransaction<T>(setting: TransactionSetting, callback: (transaction: LaneTransaction) => Promise<T>): Promise<T> {
  const { wire, context, options } = setting;
  const transaction = new PostgresTransaction(setting);
  const { signal } = options;
  let stop = (): void => {};
  const stopped = new Promise<Settled<T>>((resolve) => {
    stop = () => resolve({ kind: 'aborted' });
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, { once: true });
    void wire.ended.then(() => resolve({ kind: 'lost' }));
  });
  const work = (async () => await callback(transaction))();
  const settled = work.then<Settled<T>, Settled<T>>(
    (value) => ({ kind: 'value', value }),
    (error: unknown) => ({ kind: 'error', error }),
  );
  const first = await Promise.race([settled, stopped]);
  signal?.removeEventListener('abort', stop);
  transaction.end();
  if (first.kind === 'lost' || (wire.lost && transaction.begun)) throw lostError(context.tenantId, false);
  switch (first.kind) {
    case 'aborted':
      await transaction.abort();
      throw abortedError(context.tenantId, 'A transaction');
    case 'error':
      await transaction.rollback();
      throw first.error;
    case 'value':
      await transaction.commit();
      return first.value;
  }
}

type Settled<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'aborted' | 'lost' };

class PostgresTransaction implements LaneTransaction {
  readonly #setting: TransactionSetting;
  readonly #begin: string;
  readonly #savepoints: SavepointTree;
  #over = false;
  #begun = false;
  /** Whether something may have been left on the session. */
  #clean: boolean;
  #signedAt = 0;
  #pathSet = false;
  #running = 0;
  #copy: CopyOut | undefined;
  #firstError: Error | undefined;

  constructor(setting: TransactionSetting) {
    this.#setting = setting;
    this.#begin = beginText(setting.options, setting.context.tenantId);
    this.#clean = setting.context.raw;
    this.#savepoints = new SavepointTree(setting.context.tenantId);
  }

  get over(): boolean {
    return this.#over;
  }
  /** Whether anything was sent. */
  get begun(): boolean {
    return this.#begun;
  }

  async execute(
    statement: Statement,
    options: { readonly raw?: boolean; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<StatementResult> {
    const { wire, context, pooled } = this.#setting;
    const { tenantId } = context;
    const { signal } = options;
    const raw = (options.raw ?? false) || context.raw;
    checkCommand(statement.text, tenantId);
    const params = encodeParameters(statement.params, tenantId);
    // Without a reason to wait nothing is awaited, so that statements keep the order in which they were given.
    const level = this.#savepoints.current;
    for (let wait = level.inner ?? wire.cancelling; wait !== undefined; wait = level.inner ?? wire.cancelling) await wait;
    this.#requireLive();
    this.#savepoints.requireOpen(level);
    if (signal?.aborted === true) throw abortedError(tenantId, 'A statement');

    const ahead = this.#ahead(raw);
    const answered = wire.bound(statement.text, params, statement.prepare && !pooled);
    this.#clean ||= raw || leavesSessionState(statement.text);
    const watch = signal === undefined ? undefined : this.#cancelOnAbort(signal, ahead.at(-1), answered);
    this.#running++;
    const outcomes = await Promise.all([...ahead, answered]);
    this.#running--;
    await watch?.();
    return this.#read(statement, outcomes, signal?.aborted ?? false);
  }

  async savepoint<T>(callback: () => Promise<T>): Promise<T> {
    return await this.#savepoints.enter(async (name) => {
      await this.#control(`savepoint ${name}`, true);
      const before = { signedAt: this.#signedAt, pathSet: this.#pathSet, firstError: this.#firstError };
      return {
        release: async () => {
          try {
            await this.#control(`release savepoint ${name}`, false);
          } catch (error) {
            throw error instanceof QueryFailedError ? this.#savepointError(before.firstError ?? this.#firstError) : error;
          }
        },
        undo: async () => {
          await this.#control(`rollback to savepoint ${name}; release savepoint ${name}`, false);
          // Settings made since are undone with the rows: an older token, or none of the search_path, is in force again.
          this.#signedAt = before.signedAt;
          this.#pathSet = before.pathSet;
          this.#firstError = before.firstError;
        },
      };
    }, callback);
  }

  async *copyTo(text: string, { signal }: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<Uint8Array, void, void> {
    const { wire, context } = this.#setting;
    const { tenantId } = context;
    checkCopy(text, tenantId);
    const level = this.#savepoints.current;
    for (let wait = level.inner ?? wire.cancelling; wait !== undefined; wait = level.inner ?? wire.cancelling) await wait;
    this.#requireLive();
    this.#savepoints.requireOpen(level);
    if (signal?.aborted === true) throw abortedError(tenantId, 'A COPY');
    this.#clean = true;
    const ahead = this.#ahead(true);
    const opening = wire.copy(text);
    const ended = opening.then((opened) => (opened.kind === 'copy' ? opened.copy.ended : undefined));
    const unwatch = signal === undefined ? undefined : this.#cancelOnAbort(signal, ahead.at(-1), ended);
    this.#running++;
    try {
      const outcomes = await Promise.all([...ahead, opening]);
      const opened = outcomes.at(-1)!;
      if (opened.kind === 'answer') {
        wire.destroy();
        throw refusedTag(opened.result.command ?? 'a command', tenantId);
      }
      if (opened.kind === 'copy') this.#copy = opened.copy;
      this.#raise(outcomes, signal?.aborted ?? false);
      if (this.#copy !== undefined) yield* this.#copy.chunks();
    } catch (error) {
      throw this.#copyError(error, signal?.aborted ?? false);
    } finally {
      await this.#endCopy();
      this.#running--;
      await unwatch?.();
    }
  }

  /** Nothing runs any more from here on. */
  end(): void {
    this.#over = true;
  }

  async commit(): Promise<void> {
    if (!this.#begun) return;
    const error = endError(await this.#finish('commit'), this.#setting.context.tenantId, this.#firstError);
    if (error !== undefined) throw error;
  }

  /** A lost connection has rolled back as well. */
  async rollback(): Promise<void> {
    if (this.#begun) await this.#finish('rollback');
  }

  async abort(): Promise<void> {
    await this.#setting.wire.cancel(() => this.#running > 0);
    await this.rollback();
  }

  /** Ends a COPY that nobody reads any more: nothing else can be sent before. */
  async #endCopy(): Promise<void> {
    const copy = this.#copy;
    if (copy === undefined) return;
    if (!copy.over) {
      const { wire } = this.#setting;
      await wire.cancel(() => !copy.over);
      // A request to cancel can be lost; reading on could then take hours, and losing the connection rolls back as well.
      const giveUp = setTimeout(() => wire.destroy(), dropCopyWithinMs);
      await copy.drop();
      clearTimeout(giveUp);
    }
    await copy.ended;
    this.#copy = undefined;
  }

  #copyError(error: unknown, aborted: boolean): unknown {
    const { wire, context } = this.#setting;
    if (wire.lost) return lostError(context.tenantId, false);
    if (!isServerError(error)) return error;
    const failed = statementError(error, context.tenantId, aborted);
    this.#firstError ??= failed;
    return failed;
  }

  async #finish(command: 'commit' | 'rollback') {
    const { wire, pooled } = this.#setting;
    await this.#endCopy();
    while (wire.cancelling !== undefined) await wire.cancelling;
    return await endTransaction(wire, command, this.#clean, pooled);
  }

  /** What must be written ahead of a statement, in the same breath: BEGIN and context, a renewed token, the search_path of raw SQL. */
  #ahead(raw: boolean): Promise<WireOutcome>[] {
    const { wire, context, pooled, backendPid } = this.#setting;
    const now = performance.now();
    const token = !this.#begun || now - this.#signedAt > renewAfterMs ? context.sign(backendPid) : undefined;
    const sent: Promise<WireOutcome>[] = [];
    if (!this.#begun) sent.push(wire.control(this.#begin));
    this.#begun = true;
    if (token !== undefined) {
      const { text, params } = contextMessage({ searchPath: undefined, applicationName: context.applicationName }, token);
      sent.push(wire.bound(text, params, !pooled));
      this.#signedAt = now;
    }
    if (raw && context.searchPath !== undefined && !this.#pathSet) {
      sent.push(wire.bound(pathText, [context.searchPath], !pooled));
      this.#pathSet = true;
    }
    return sent;
  }

  async #control(text: string, ahead: boolean): Promise<void> {
    const { wire } = this.#setting;
    while (wire.cancelling !== undefined) await wire.cancelling;
    this.#requireLive();
    const outcomes = await Promise.all([...(ahead ? this.#ahead(false) : []), wire.control(text)]);
    this.#raise(outcomes, false);
  }

  #savepointError(cause: unknown): TransactionAbortedError {
    const { tenantId } = this.#setting.context;
    return new TransactionAbortedError(`A savepoint of tenant ${tenantId} was rolled back.`, {
      tenantId,
      cause,
      hint: 'A statement in it had failed.',
    });
  }

  #read(statement: Statement, outcomes: readonly WireOutcome[], aborted: boolean): StatementResult {
    const { wire, context } = this.#setting;
    this.#raise(outcomes, aborted);
    const { result } = outcomes.at(-1) as Extract<WireOutcome, { kind: 'answer' }>;
    if (isRefusedTag(result.command ?? '')) {
      wire.destroy();
      throw refusedTag(result.command!, context.tenantId);
    }
    return resultOf(statement, result);
  }

  #raise(outcomes: readonly WireOutcome[], aborted: boolean): void {
    const { tenantId } = this.#setting.context;
    for (const outcome of outcomes) {
      if (outcome.kind === 'answer' || outcome.kind === 'copy') continue;
      const error =
        outcome.kind === 'refused'
          ? statementError(outcome.error, tenantId, aborted)
          : outcome.kind === 'plan'
            ? planError(tenantId)
            : lostError(tenantId, false);
      this.#firstError ??= error;
      throw error;
    }
  }

  #requireLive(): void {
    const { wire, context } = this.#setting;
    if (wire.lost) throw lostError(context.tenantId, false);
    if (this.#over) {
      throw new TransactionOverError(
        `A statement of tenant ${context.tenantId} was given to a transaction that is over; it was not sent.`,
        {
          tenantId: context.tenantId,
          hint: 'Await everything inside the callback.',
        },
      );
    }
  }

  #cancelOnAbort(signal: AbortSignal, ahead: Promise<WireOutcome> | undefined, answered: Promise<unknown>): () => Promise<void> {
    let running = true;
    let cancelled: Promise<void> | undefined;
    void answered.then(() => {
      running = false;
    });
    const abort = (): void => {
      cancelled = Promise.resolve(ahead).then(() => this.#setting.wire.cancel(() => running));
    };
    signal.addEventListener('abort', abort, { once: true });
    return async () => {
      signal.removeEventListener('abort', abort);
      await cancelled;
    };
  }
}
