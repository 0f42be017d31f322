import { beginCleanText, contextMessage, endTexts } from './lane-texts.ts';
import type { EndOutcome, PreparedUnit, UnitAnswer, Wire, WireOutcome, WireResult } from './wire.ts';

type Sender = Pick<Wire, 'control' | 'bound' | 'cancelling' | 'destroy'>;

export interface ExplicitUnit {
  /** Resolves when the BEGIN was answered: the server works on this unit. */
  readonly began: Promise<unknown>;
  /** Resolves when the statement was answered. */
  readonly stated: Promise<unknown>;
  readonly answered: Promise<UnitAnswer>;
}

/** How a transaction is written: whether the session is cleaned around it, and whether a pooler stands between. */
export interface TransactionManner {
  readonly clean: boolean;
  readonly pooled: boolean;
}

/** Writes begin, context, statement and commit without awaiting in between. */
export function sendAsTransaction(wire: Sender, unit: PreparedUnit, manner: TransactionManner): ExplicitUnit {
  const { context, statement } = unit;
  const keep = !manner.pooled;
  const began = wire.control(manner.clean ? beginCleanText : 'begin');
  const message = contextMessage(context, unit.token);
  const applied = wire.bound(message.text, message.params, keep);
  const stated = wire.bound(statement.text, unit.params, statement.prepare && keep);
  const ended = endTransaction(wire, 'commit', manner);
  return { began, stated, answered: answerOf([began, applied, stated], ended) };
}

async function answerOf(parts: readonly Promise<WireOutcome>[], ended: Promise<EndOutcome>): Promise<UnitAnswer> {
  const outcomes = await Promise.all(parts);
  const end = await ended;
  let result: WireResult | undefined;
  for (const outcome of outcomes) {
    if (outcome.kind !== 'answer') return { failed: outcome, result: undefined, end };
    result = outcome.result;
  }
  return { failed: undefined, result, end };
}

/** Commits or rolls back, and cleans the session where something may have been left on it; a session that can't be cleaned is not used again. */
export async function endTransaction(
  wire: Sender,
  command: 'commit' | 'rollback',
  { clean, pooled }: TransactionManner,
): Promise<EndOutcome> {
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
  if (end.kind !== 'answer') {
    // A cancel request can hit the command before it has done anything: the transaction would stay open under the next unit.
    if (end.kind === 'refused' && end.error.code === '57014') wire.destroy();
    return end;
  }
  return { kind: end.result.command === 'COMMIT' ? 'committed' : 'rolledBack' };
}

/** The count is the second column of the cleaning's first command. */
function preparedBySql(result: WireResult): boolean {
  return result.rows[0]?.[1] !== '0';
}
