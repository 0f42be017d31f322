import type { CopyBuffer } from './copy-buffer.ts';
import type { EncodedParameter } from './parameters.ts';
import type { PreparedStatement } from './prepared-statements.ts';
import type { RowDecoder } from './row-decoder.ts';
import type { PreparedUnit, ServerError, UnitAnswer, WireOutcome, WireResult } from './wire.ts';

/** What is written up to one Sync, or as one simple query, and answered up to one ReadyForQuery. One shape for all, so that the hot path has one. */
export class WireTask {
  next: WireTask | undefined;
  /** Counts up over a connection's tasks: what is at most the number written last may have reached the server. */
  number = 0;

  /** Text of the simple protocol; undefined where the task is one of the extended protocol. */
  readonly control: string | undefined;
  readonly text: string;
  readonly params: readonly EncodedParameter[];
  readonly prepare: boolean;
  readonly unit: PreparedUnit | undefined;

  /** Where the data of a COPY goes; undefined where there must be none. */
  readonly copy: CopyBuffer | undefined;

  readonly onOutcome: ((outcome: WireOutcome) => void) | undefined;
  readonly onUnit: ((answer: UnitAnswer) => void) | undefined;
  readonly onBegan: (() => void) | undefined;

  /** The statements in the order in which they are answered: a unit's context, then the statement itself. */
  context: PreparedStatement | undefined;
  contextIsNew = false;
  statement: PreparedStatement | undefined;
  statementIsNew = false;

  /** Whether the context is still being answered. */
  inContext = false;
  /** Whether the part that is being answered was bound: from then on it may have run. */
  bound = false;
  /** How the rows of the command that is being answered are read. */
  decoder: RowDecoder | undefined;
  rows: unknown[][] = [];
  /** The result, complete once its tag was read; the first one where there are several. */
  result: WireResult | undefined;
  error: ServerError | undefined;
  /** Whether the error says that the plan was invalidated or the statement is gone, before anything ran. */
  plan = false;

  private constructor(
    fields: Pick<WireTask, 'control' | 'text' | 'params' | 'prepare' | 'unit' | 'copy' | 'onOutcome' | 'onUnit' | 'onBegan'>,
  ) {
    this.control = fields.control;
    this.text = fields.text;
    this.params = fields.params;
    this.prepare = fields.prepare;
    this.unit = fields.unit;
    this.copy = fields.copy;
    this.onOutcome = fields.onOutcome;
    this.onUnit = fields.onUnit;
    this.onBegan = fields.onBegan;
  }

  static control(text: string, onOutcome: (outcome: WireOutcome) => void): WireTask {
    return new WireTask({ ...plain, control: text, onOutcome });
  }

  static bound(text: string, params: readonly EncodedParameter[], prepare: boolean, onOutcome: (outcome: WireOutcome) => void): WireTask {
    return new WireTask({ ...plain, text, params, prepare, onOutcome });
  }

  static copy(text: string, copy: CopyBuffer, onOutcome: (outcome: WireOutcome) => void): WireTask {
    return new WireTask({ ...plain, text, copy, onOutcome });
  }

  static unit(unit: PreparedUnit, onUnit: (answer: UnitAnswer) => void, onBegan: (() => void) | undefined): WireTask {
    const { statement, params } = unit;
    const task = new WireTask({
      control: undefined,
      text: statement.text,
      params,
      prepare: statement.prepare,
      unit,
      copy: undefined,
      onOutcome: undefined,
      onUnit,
      onBegan,
    });
    task.inContext = true;
    return task;
  }

  /** Notes the end of one command; of several only the first one's result is kept. */
  complete(command: string, count: number): void {
    this.result ??= { rows: this.rows, columns: this.decoder?.columns ?? [], command, count };
    if (this.control !== undefined) {
      this.rows = [];
      this.decoder = undefined;
    }
  }

  /** Settles it as died with its connection. */
  lose(executed: boolean): void {
    this.copy?.end();
    const lost = executed ? maybeExecuted : neverExecuted;
    if (this.error !== undefined) {
      // Whatever failed keeps nothing, and what died with it could not have been kept.
      this.settle(lost);
    } else if (this.onUnit !== undefined)
      this.onUnit({ failed: this.result === undefined ? lost : undefined, result: this.result, end: lost });
    else this.onOutcome?.(lost);
  }

  /** Settles it with what was read. */
  settle(end: UnitAnswer['end'] = committed): void {
    const failure =
      this.error === undefined ? undefined : this.plan ? ({ kind: 'plan' } as const) : ({ kind: 'refused', error: this.error } as const);
    if (this.onUnit === undefined) {
      this.onOutcome?.(failure ?? { kind: 'answer', result: this.result ?? nothing });
    } else if (failure === undefined) {
      this.onUnit({ failed: undefined, result: this.result ?? nothing, end });
    } else if (this.result === undefined) {
      this.onUnit({ failed: failure, result: undefined, end: end.kind === 'committed' ? rolledBack : end });
    } else {
      // The statement was answered: what failed is the end of its transaction.
      this.onUnit({ failed: undefined, result: this.result, end: failure });
    }
  }
}

const plain = {
  control: undefined,
  text: '',
  params: [],
  prepare: false,
  unit: undefined,
  copy: undefined,
  onOutcome: undefined,
  onUnit: undefined,
  onBegan: undefined,
};
const committed = { kind: 'committed' } as const;
const rolledBack = { kind: 'rolledBack' } as const;
const maybeExecuted = { kind: 'lost', executed: true } as const;
const neverExecuted = { kind: 'lost', executed: false } as const;
const nothing: WireResult = { rows: [], columns: [], command: '', count: 0 };
