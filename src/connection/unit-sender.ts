import { NotSupportedError, TransactionAbortedError } from '../errors.ts';
import { isRefusedTag } from './command-check.ts';
import { abortedError, lostError, planError, queryError, statementError } from './driver-error.ts';
import { sendAsTransaction } from './explicit-unit.ts';
import { reviveRows } from './raw-types.ts';
import { leavesSessionState } from './session-state.ts';
import type { Statement, StatementResult } from './statement.ts';
import type { EndOutcome, PreparedUnit, UnitAnswer, Wire, WireFailure, WireResult } from './wire.ts';

/** How a unit ended; `repeat` says that it was rolled back whole for a reason that a second attempt doesn't meet. */
export type UnitOutcome = { readonly result: StatementResult } | { readonly error: Error; readonly repeat: boolean };

/** Whether the session must be cleaned around a unit: the caller wrote its SQL, or parts of it that may leave something behind. */
export function needsCleaning({ context, statement }: Pick<PreparedUnit, 'context' | 'statement'>): boolean {
  return context.raw || leavesSessionState(statement.text);
}

/** Sends a unit in the way that its text needs, cancels it when its signal fires, and reads what became of it. */
export async function sendUnit(wire: Wire, unit: PreparedUnit, pooled: boolean, signal: AbortSignal | undefined): Promise<UnitOutcome> {
  const cancels = wire.cancels;
  let stop: (() => Promise<void>) | undefined;
  let answer: UnitAnswer;
  if (needsCleaning(unit)) {
    const { began, stated, answered } = sendAsTransaction(wire, unit, { clean: true, pooled });
    if (signal !== undefined) stop = cancelOnAbort(wire, signal, began, stated);
    answer = await answered;
  } else if (signal === undefined) {
    answer = await new Promise<UnitAnswer>((resolve) => {
      wire.unit(unit, resolve);
    });
  } else {
    let onBegan = (): void => {};
    const began = new Promise<void>((resolve) => {
      onBegan = resolve;
    });
    const answered = new Promise<UnitAnswer>((resolve) => {
      wire.unit(unit, resolve, onBegan);
    });
    // Whoever waits for it to begin must not wait for ever.
    void answered.then(onBegan);
    stop = cancelOnAbort(wire, signal, began, answered);
    answer = await answered;
  }
  await stop?.();
  return readUnit(wire, unit, answer, signal?.aborted ?? false, wire.cancels !== cancels);
}

/**
 * Reads what became of a unit. Its result stands only once its end was seen.
 *
 * @param aborted whether its caller gave up
 * @param othersCancelled whether a cancel request was made meanwhile, which may have hit it
 */
export function readUnit(wire: Wire, unit: PreparedUnit, answer: UnitAnswer, aborted: boolean, othersCancelled: boolean): UnitOutcome {
  const { tenantId } = unit.context;
  const { failed, result, end } = answer;
  if (failed !== undefined) return failedUnit(failed, end, tenantId, aborted, othersCancelled);
  if (result !== undefined && isRefusedTag(result.command)) {
    wire.destroy();
    return { error: refusedTag(result.command, tenantId), repeat: false };
  }
  if (end.kind === 'committed') return { result: resultOf(unit.statement, result!) };
  const cancelled = end.kind === 'refused' && end.error.code === '57014';
  if (aborted && cancelled) return { error: abortedError(tenantId, 'A unit'), repeat: false };
  return { error: endError(end, tenantId)!, repeat: cancelled && othersCancelled };
}

/** Turns an answer into rows of the kind that the statement asked for. */
export function resultOf(statement: Statement, { rows, columns, command, count }: WireResult): StatementResult {
  return { rows: statement.rows === 'array' ? rows : reviveRows(rows, columns), rowCount: count, command };
}

/** The error of a statement that got past {@link isRefusedTag}'s earlier check. */
export function refusedTag(command: string, tenantId: string): NotSupportedError {
  return new NotSupportedError(`Tenant ${tenantId} ran ${command}, which a unit can't hold; its connection was dropped.`, { tenantId });
}

/** The error of a COMMIT that did not commit. */
export function endError(end: EndOutcome, tenantId: string, cause?: unknown): Error | undefined {
  switch (end.kind) {
    case 'committed':
      return undefined;
    case 'rolledBack':
      return new TransactionAbortedError(`The COMMIT of tenant ${tenantId} answered ROLLBACK: nothing was kept.`, {
        tenantId,
        cause,
        hint: 'A statement before it had failed.',
      });
    case 'refused':
      return queryError(end.error, tenantId, 'The COMMIT');
    case 'plan':
      return planError(tenantId);
    case 'lost':
      return lostError(tenantId, end.executed);
  }
}

function failedUnit(failed: WireFailure, end: EndOutcome, tenantId: string, aborted: boolean, othersCancelled: boolean): UnitOutcome {
  // PostgreSQL never commits a transaction in which a statement failed, so a lost COMMIT leaves no doubt here.
  const kept = end.kind === 'committed';
  const whole = end.kind === 'rolledBack';
  if (failed.kind === 'plan') return { error: planError(tenantId), repeat: whole };
  if (failed.kind === 'refused') {
    const stray = failed.error.code === '57014' && othersCancelled && !aborted;
    return { error: statementError(failed.error, tenantId, aborted && !kept), repeat: stray && whole };
  }
  const sent = end.kind === 'lost' ? end.executed : false;
  return { error: aborted && !sent ? abortedError(tenantId, 'A unit') : lostError(tenantId, sent), repeat: false };
}

/** Cancels a unit once its signal fires and it is the one that the server is running. Returns what ends the watch. */
function cancelOnAbort(wire: Wire, signal: AbortSignal, began: Promise<unknown>, answered: Promise<unknown>): () => Promise<void> {
  let running = true;
  let cancelled: Promise<void> | undefined;
  void answered.then(() => {
    running = false;
  });
  const abort = (): void => {
    cancelled = began.then(() => wire.cancel(() => running));
  };
  signal.addEventListener('abort', abort, { once: true });
  return async () => {
    running = false;
    signal.removeEventListener('abort', abort);
    await cancelled;
  };
}
