import { setTimeout as sleep } from 'node:timers/promises';
import { AbortedError, ConfigurationError, QueryFailedError, TransactionConflictError } from '../errors.ts';

/** How often, and how patiently, a transaction runs again after a serialization failure or a deadlock. */
export interface RetryOptions {
  /** How often it runs at most, the first time included; from 1 to 100. */
  readonly attempts: number;
  /** Before the second attempt it waits for up to so long, in milliseconds, and twice as long before each further one; 20 unless told. */
  readonly baseDelayMs?: number | undefined;
  /** No wait is longer, in milliseconds; 1,000 unless told. */
  readonly maxDelayMs?: number | undefined;
  /** Says which part of that to wait, from 0 to below 1, so that those who met don't meet again; `Math.random` unless told. */
  readonly random?: (() => number) | undefined;
}

export interface RetryHooks {
  readonly tenantId: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onRetry: (reason: ConflictReason) => void;
}

export type ConflictReason = 'serialization_failure' | 'deadlock_detected';

const conflicts: ReadonlyMap<string, ConflictReason> = new Map([
  ['40001', 'serialization_failure'],
  ['40P01', 'deadlock_detected'],
]);

/** @throws {ConfigurationError} when an option can't be used */
export function checkRetry({ attempts, baseDelayMs = 20, maxDelayMs = 1_000 }: RetryOptions): void {
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > 100)
    throw new ConfigurationError('retry.attempts must be a whole number from 1 to 100.');
  if (!(baseDelayMs >= 0 && maxDelayMs >= 0 && maxDelayMs <= 60_000))
    throw new ConfigurationError('retry.baseDelayMs and retry.maxDelayMs must be from 0 to 60,000 milliseconds.');
}

/**
 * Runs a whole transaction until it ends otherwise than by a conflict with another one.
 *
 * @throws {TransactionConflictError} when every attempt did
 */
export async function withRetries<T>(work: (attempt: number) => Promise<T>, retry: RetryOptions, hooks: RetryHooks): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      const conflict = conflictIn(error);
      if (conflict === undefined) throw error;
      if (attempt >= retry.attempts) throw exhausted(conflict, attempt, hooks.tenantId, error);
      hooks.onRetry(conflicts.get(conflict.sqlState)!);
      await pause(delayMs(retry, attempt), hooks);
    }
  }
}

/** Full jitter: anything from nothing to the bound, which doubles with every attempt. */
function delayMs({ baseDelayMs = 20, maxDelayMs = 1_000, random = Math.random }: RetryOptions, attempt: number): number {
  return random() * Math.min(maxDelayMs, baseDelayMs * 2 ** (attempt - 1));
}

async function pause(ms: number, { signal, tenantId }: RetryHooks): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? undefined : { signal });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
    throw new AbortedError('A transaction was aborted while it waited for its next attempt; nothing of it was kept.', {
      tenantId,
      cause: signal.reason,
    });
  }
}

/** The conflict that an error is, or stands for: a COMMIT that answered ROLLBACK, or the caller's own error, names it as its cause. */
function conflictIn(error: unknown): QueryFailedError | undefined {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++)
    if (cause instanceof QueryFailedError && conflicts.has(cause.sqlState)) return cause;
  return undefined;
}

function exhausted(
  { failure }: QueryFailedError,
  attempts: number,
  tenantId: string | undefined,
  cause: unknown,
): TransactionConflictError {
  const of = tenantId === undefined ? '' : ` of tenant ${tenantId}`;
  const times = attempts === 1 ? 'once' : `${attempts} times`;
  return new TransactionConflictError(`A transaction${of} ran ${times} and met another one each time (${failure.sqlState}).`, failure, {
    attempts,
    tenantId,
    cause,
    retryable: true,
    hint: 'Try again later, allow more attempts, or let transactions touch fewer rows in a common order.',
  });
}
