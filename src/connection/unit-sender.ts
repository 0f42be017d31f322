import { NotSupportedError, TransactionAbortedError } from '../errors.ts';
import { isRefusedTag } from './command-check.ts';
import type { DriverResult } from './driver-client.ts';
import { abortedError, lostError, planError, queryError, statementError } from './driver-error.ts';
import type { UnitContext } from './lane.ts';
import { beginCleanText, contextMessage, endTexts } from './lane-texts.ts';
import type { LaneWire, WireOutcome } from './lane-wire.ts';
import type { EncodedParameter } from './parameters.ts';
import { reviveRows } from './raw-types.ts';
import { leavesSessionState } from './session-state.ts';
import type { Statement, StatementResult } from './statement.ts';

/** A unit made ready: nothing of it can fail any more before it is written. */
export interface PreparedUnit {
  readonly context: UnitContext;
  readonly token: string;
  readonly statement: Statement;
  readonly params: readonly EncodedParameter[];
}

/** How a unit ended; `repeat` says that it was rolled back whole for a reason that a second attempt doesn't meet. */
export type UnitOutcome = { readonly result: StatementResult } | { readonly error: Error; readonly repeat: boolean };

/**
 * Writes begin, context, statement and commit without awaiting in between and reads what became of them. The statement's result stands
 * only once the COMMIT's tag was seen.
 */
export async function sendUnit(wire: LaneWire, unit: PreparedUnit, pooled: boolean, signal: AbortSignal | undefined): Promise<UnitOutcome> {
  const { context, statement } = unit;
  const cancels = wire.cancels;
  const clean = context.raw || leavesSessionState(statement.text);
  const began = wire.control(clean ? beginCleanText : 'begin');
  const message = contextMessage(context, unit.token);
  const applied = wire.bound(message.text, message.params, !pooled);
  const answered = wire.bound(statement.text, unit.params, statement.prepare && !pooled);
  const ended = endTransaction(wire, 'commit', clean, pooled);

  const stop = signal === undefined ? undefined : cancelOnAbort(wire, signal, began, answered);
  const [begin, apply, answer, end] = await Promise.all([began, applied, answered, ended]);
  await stop?.();

  const failed = [begin, apply, answer].find((outcome) => outcome.kind !== 'answer');
  if (failed !== undefined) return failedUnit(failed, end, context.tenantId, signal?.aborted ?? false, wire.cancels !== cancels);
  const result = (answer as Extract<WireOutcome, { kind: 'answer' }>).result;
  if (isRefusedTag(result.command ?? '')) {
    wire.destroy();
    return { error: refusedTag(result.command!, context.tenantId), repeat: false };
  }
  const error =
    signal?.aborted === true && end.kind === 'refused' && end.error.code === '57014'
      ? abortedError(context.tenantId, 'A unit')
      : endError(end, context.tenantId);
  return error === undefined ? { result: resultOf(statement, result) } : { error, repeat: false };
}

/** What became of the message that ends a transaction. */
export type EndOutcome = { readonly kind: 'committed' } | { readonly kind: 'rolledBack' } | Exclude<WireOutcome, { kind: 'answer' }>;

/** Commits or rolls back, and cleans the session where something may have been left on it; a session that can't be cleaned is not used again. */
export async function endTransaction(wire: LaneWire, command: 'commit' | 'rollback', clean: boolean, pooled: boolean): Promise<EndOutcome> {
  const texts = endTexts(command, clean, pooled);
  const outcomes = await Promise.all(texts.map((text) => wire.control(text)));
  const end = outcomes[0]!;
  if (clean && !pooled) {
    let cleaned = outcomes[1]!;
    if (cleaned.kind === 'refused' && cleaned.error.code === '57014') {
      // A cancel request that came late hit the cleaning; no other tenant's unit is sent before this one has settled.
      while (wire.cancelling !== undefined) await wire.cancelling;
      cleaned = await wire.control(texts[1]!);
    }
    if (cleaned.kind !== 'answer' || preparedBySql(cleaned.result)) wire.destroy();
  }
  if (end.kind !== 'answer') return end;
  return { kind: tagOf(end.result) === 'COMMIT' ? 'committed' : 'rolledBack' };
}

/** Turns an answer into rows of the kind that the statement asked for. */
export function resultOf(statement: Statement, result: DriverResult): StatementResult {
  const rows = statement.rows === 'array' ? result.slice() : reviveRows(result as readonly (readonly unknown[])[], result.columns ?? []);
  return { rows, rowCount: result.count ?? 0, command: result.command ?? '' };
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

function failedUnit(failed: WireOutcome, end: EndOutcome, tenantId: string, aborted: boolean, othersCancelled: boolean): UnitOutcome {
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
function cancelOnAbort(
  wire: LaneWire,
  signal: AbortSignal,
  began: Promise<WireOutcome>,
  answered: Promise<WireOutcome>,
): () => Promise<void> {
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

/** Several commands in one message answer a list of results: the first is the COMMIT's or ROLLBACK's. */
function tagOf(result: DriverResult): string | undefined {
  return result.command ?? (result[0] as DriverResult | undefined)?.command ?? undefined;
}

function preparedBySql(result: DriverResult): boolean {
  const rows = result.command === undefined ? (result[0] as DriverResult | undefined) : result;
  const row = rows?.[0] as { readonly prepared?: unknown } | undefined;
  return row?.prepared !== '0';
}
