import { type FailureNames, failureNames } from './failure-names.ts';
import type { Instruments } from './instruments.ts';
import type { TelemetryAttributes, TelemetrySpan, TelemetryTracer } from './open-telemetry.ts';
import { operationName } from './operation-name.ts';
import { quietly } from './quietly.ts';
import type { StatementEvent, StatementLogger } from './statement-event.ts';
import { statementFingerprint } from './statement-fingerprint.ts';
import { placeAttributes, type WorkPlace } from './work-place.ts';

/** A statement that is about to be sent. */
export interface StatementFacts {
  readonly place: WorkPlace;
  readonly requestId: string | undefined;
  /** As it is sent; goes to `logQuery` only. */
  readonly text: string;
  /** The same without the tenant's schema: what the fingerprint is of. */
  readonly fingerprinted: string;
  /** How many parameters it has. */
  readonly params: number;
  readonly raw: boolean;
  readonly inTransaction: boolean;
}

/** What a statement answered, as far as it is counted. */
export interface StatementAnswer {
  readonly rows?: { readonly length: number };
  /** Rows selected or touched. */
  readonly rowCount?: number;
  /** PostgreSQL's command tag. */
  readonly command: string;
}

/** What statements are told to. */
export interface StatementListeners {
  readonly tracer: TelemetryTracer | undefined;
  readonly instruments: Instruments | undefined;
  readonly logger: StatementLogger | undefined;
}

const clientSpan = 2;
const errorStatus = 2;

/** A statement under way: one span, one event, one measurement, whichever were asked for. Ending it twice tells it once. */
export class ActiveStatement {
  readonly #facts: StatementFacts;
  readonly #listeners: StatementListeners;
  readonly #fingerprint: string;
  readonly #operation: string | undefined;
  readonly #since = performance.now();
  #span: TelemetrySpan | undefined;
  #ended = false;

  constructor(facts: StatementFacts, listeners: StatementListeners) {
    this.#facts = facts;
    this.#listeners = listeners;
    this.#fingerprint = statementFingerprint(facts.fingerprinted);
    this.#operation = operationName(facts.text);
    quietly(() => {
      this.#span = listeners.tracer?.startSpan(this.#operation ?? 'postgresql', {
        kind: clientSpan,
        attributes: {
          ...placeAttributes(facts.place),
          ...(this.#operation !== undefined && { 'db.operation.name': this.#operation }),
          'tenancy.statement.fingerprint': this.#fingerprint,
          'tenancy.statement.raw': facts.raw,
          'tenancy.statement.in_transaction': facts.inTransaction,
        },
      });
    });
    quietly(() => listeners.logger?.logQuery?.(facts.text, Array<unknown>(facts.params).fill('…')));
  }

  end(answer: StatementAnswer): void {
    this.#end(answer, undefined);
  }

  fail(error: unknown): void {
    this.#end(undefined, failureNames(error));
  }

  #end(answer: StatementAnswer | undefined, failure: FailureNames | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const durationMs = performance.now() - this.#since;
    // PostgreSQL's own word, where the text's first one is none: a comment, a WITH.
    const operation = /^[A-Z]+/.exec(answer?.command ?? '')?.[0] ?? this.#operation;
    quietly(() => this.#endSpan(answer, operation, failure));
    quietly(() => this.#listeners.instruments?.statement(this.#facts.place, operation, durationMs, failure));
    quietly(() => this.#listeners.logger?.logStatement?.(this.#event(answer?.rowCount, operation, durationMs, failure)));
  }

  #endSpan(answer: StatementAnswer | undefined, operation: string | undefined, failure: FailureNames | undefined): void {
    const span = this.#span;
    if (span === undefined) return;
    const attributes: TelemetryAttributes = {};
    if (answer?.rows !== undefined) attributes['db.response.returned_rows'] = answer.rows.length;
    if (answer?.rowCount !== undefined) attributes['tenancy.rows'] = answer.rowCount;
    if (operation !== undefined) {
      attributes['db.operation.name'] = operation;
      span.updateName(operation);
    }
    if (failure !== undefined) {
      attributes['error.type'] = failure.type;
      if (failure.sqlState !== undefined) attributes['db.response.status_code'] = failure.sqlState;
      span.setStatus({ code: errorStatus });
    }
    span.setAttributes(attributes);
    span.end();
  }

  #event(rows: number | undefined, operation: string | undefined, durationMs: number, failure: FailureNames | undefined): StatementEvent {
    const { place, requestId, raw, inTransaction } = this.#facts;
    return Object.freeze({
      tenantId: place.tenant.id,
      tier: place.tenant.tier.name,
      clusterId: place.placement.clusterId,
      database: place.placement.database,
      schema: place.placement.schema,
      requestId,
      operation,
      fingerprint: this.#fingerprint,
      raw,
      inTransaction,
      durationMs,
      rows,
      outcome: failure?.outcome ?? 'ok',
      errorCode: failure?.code,
      sqlState: failure?.sqlState,
    });
  }
}
