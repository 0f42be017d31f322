import { NotSupportedError, QueryFailedError, type TenancyError, TransactionAbortedError, TransactionOverError } from '../errors.ts';
import { checkCommand, isRefusedTag } from './command-check.ts';
import { checkCopy } from './copy-check.ts';
import { abortedError, lostError, planError, queryError, statementError } from './driver-error.ts';
import { endTransaction } from './explicit-unit.ts';
import type { LaneTransaction, TransactionOptions, UnitContext } from './lane.ts';
import { beginText, contextMessage, pathText } from './lane-texts.ts';
import { encodeParameters } from './parameters.ts';
import { RunningCopy } from './running-copy.ts';
import { SavepointTree } from './savepoint-tree.ts';
import { leavesSessionState } from './session-state.ts';
import type { Statement, StatementResult } from './statement.ts';
import { endError, refusedTag, resultOf } from './unit-sender.ts';
import type { ServerError, Wire, WireFailure, WireOutcome } from './wire.ts';

/** What a transaction runs on and as whom. */
export interface TransactionSetting {
  readonly wire: Wire;
  readonly backendPid: number;
  readonly pooled: boolean;
  readonly context: UnitContext;
  readonly options: TransactionOptions;
}

/** Context tokens live 120 s and are renewed at half of that. */
const renewAfterMs = 60_000;

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

/** What PostgreSQL says of every statement in a transaction that has failed. */
const skipped: ServerError = { code: '25P02', message: '' };

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
  #firstError: Error | undefined;
  /** Why the transaction must not be committed although the server would. */
  #broken: Error | undefined;
  #copy: RunningCopy | undefined;

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

  async *copyTo(text: string, { signal }: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const { wire, context } = this.#setting;
    const { tenantId } = context;
    checkCopy(text, tenantId);
    const level = this.#savepoints.current;
    for (let wait = level.inner ?? wire.cancelling; wait !== undefined; wait = level.inner ?? wire.cancelling) await wait;
    this.#requireLive();
    this.#savepoints.requireOpen(level);
    if (signal?.aborted === true) throw abortedError(tenantId, 'A COPY');

    const ahead = this.#ahead(true);
    const copy = new RunningCopy(wire, text);
    this.#copy = copy;
    this.#clean = true;
    const abort = (): void => void copy.stop();
    signal?.addEventListener('abort', abort, { once: true });
    let whole = false;
    try {
      yield* copy.read();
      whole = !copy.stopped;
    } finally {
      const outcome = await (whole ? copy.outcome : copy.stop());
      signal?.removeEventListener('abort', abort);
      if (this.#copy === copy) this.#copy = undefined;
      if (whole) this.#raise([...(await Promise.all(ahead)), outcome], false);
      else this.#broken ??= abortedError(tenantId, 'A COPY');
    }
    if (copy.stopped) throw abortedError(tenantId, 'A COPY');
  }

  async savepoint<T>(callback: () => Promise<T>): Promise<T> {
    return await this.#savepoints.enter(async (name) => {
      await this.#control(`savepoint ${name}`, true);
      const before = { signedAt: this.#signedAt, pathSet: this.#pathSet, firstError: this.#firstError };
      return {
        release: async () => {
          await this.#endCopy();
          if (this.#broken !== undefined) throw this.#savepointError(this.#broken);
          try {
            await this.#control(`release savepoint ${name}`, false);
          } catch (error) {
            throw error instanceof QueryFailedError ? this.#savepointError(before.firstError ?? this.#firstError) : error;
          }
        },
        undo: async () => {
          await this.#endCopy();
          await this.#control(`rollback to savepoint ${name}; release savepoint ${name}`, false);
          // Settings made since are undone with the rows: an older token, or none of the search_path, is in force again.
          this.#signedAt = before.signedAt;
          this.#pathSet = before.pathSet;
          this.#firstError = before.firstError;
          // A savepoint can't be entered any more once the transaction is broken.
          this.#broken = undefined;
        },
      };
    }, callback);
  }

  /** Nothing runs any more from here on. */
  end(): void {
    this.#over = true;
  }

  async commit(): Promise<void> {
    if (!this.#begun) return;
    await this.#endCopy();
    if (this.#broken !== undefined) {
      await this.#finish('rollback');
      throw endError({ kind: 'rolledBack' }, this.#setting.context.tenantId, this.#broken)!;
    }
    const error = endError(await this.#finish('commit'), this.#setting.context.tenantId, this.#firstError);
    if (error !== undefined) throw error;
  }

  /** A lost connection has rolled back as well. */
  async rollback(): Promise<void> {
    if (!this.#begun) return;
    await this.#endCopy();
    await this.#finish('rollback');
  }

  async abort(): Promise<void> {
    await this.#endCopy();
    await this.#setting.wire.cancel(() => this.#running > 0);
    await this.rollback();
  }

  /** Nothing else can be sent, and nothing be answered, before a COPY has ended. */
  async #endCopy(): Promise<void> {
    const copy = this.#copy;
    if (copy === undefined) return;
    this.#broken ??= abortedError(this.#setting.context.tenantId, 'A COPY');
    await copy.stop();
    if (this.#copy === copy) this.#copy = undefined;
  }

  async #finish(command: 'commit' | 'rollback') {
    const { wire, pooled } = this.#setting;
    while (wire.cancelling !== undefined) await wire.cancelling;
    return await endTransaction(wire, command, { clean: this.#clean, pooled });
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
    if (isRefusedTag(result.command)) {
      wire.destroy();
      throw refusedTag(result.command, context.tenantId);
    }
    return resultOf(statement, result);
  }

  #raise(outcomes: readonly WireOutcome[], aborted: boolean): void {
    for (const outcome of outcomes) {
      if (outcome.kind === 'answer') continue;
      const error = this.#errorOf(outcome, aborted);
      this.#firstError ??= error;
      throw error;
    }
  }

  #errorOf(failure: WireFailure, aborted: boolean): TenancyError {
    const { tenantId } = this.#setting.context;
    if (failure.kind === 'lost') return lostError(tenantId, false);
    if (failure.kind === 'refused') return statementError(failure.error, tenantId, aborted);
    // Behind a statement that failed it is no migration's doing: the server skipped the Parse that this one relied on.
    return this.#firstError === undefined ? planError(tenantId) : queryError(skipped, tenantId);
  }

  #requireLive(): void {
    const { wire, context } = this.#setting;
    if (wire.lost) throw lostError(context.tenantId, false);
    if (this.#copy !== undefined && !this.#over) {
      throw new NotSupportedError(
        `A statement of tenant ${context.tenantId} was given while its transaction reads a COPY; it was not sent.`,
        {
          tenantId: context.tenantId,
          hint: 'Read the COPY to its end first.',
        },
      );
    }
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

  #cancelOnAbort(signal: AbortSignal, ahead: Promise<WireOutcome> | undefined, answered: Promise<WireOutcome>): () => Promise<void> {
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
