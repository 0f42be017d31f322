import { ActiveStatement, type StatementFacts, type StatementListeners } from './active-statement.ts';
import { failureNames } from './failure-names.ts';
import { Instruments, type MeasuredPool } from './instruments.ts';
import type { TelemetrySpan } from './open-telemetry.ts';
import { quietly } from './quietly.ts';
import type { StatementLogger } from './statement-event.ts';
import type { TelemetryOptions } from './telemetry-options.ts';
import { placeAttributes, type WorkPlace } from './work-place.ts';

/** Why work was run again. */
export type RetryReason = 'serialization_failure' | 'deadlock_detected' | 'plan_invalidated' | 'login_replaced';

/** What a pool of lanes reports. */
export interface PoolObserver {
  /** Someone waited for a lane for so long, in milliseconds. */
  waited(ms: number): void;
  /** A lane's connection died. */
  lost(): void;
  /** Reads a pool whenever metrics are collected. @returns what ends that */
  watch(pool: MeasuredPool): () => void;
}

const name = '@godseye/tenancy';
const errorStatus = 2;

/**
 * Tells of statements, transactions, refusals, retries and lanes: names, ids, counts and durations, never a parameter, a text or a key.
 * There is none where nothing was asked for.
 */
export class Telemetry {
  readonly #listeners: StatementListeners;

  private constructor(listeners: StatementListeners) {
    this.#listeners = listeners;
  }

  /** @returns undefined when there is nobody to tell */
  static of(options: TelemetryOptions | undefined, logger?: StatementLogger): Telemetry | undefined {
    const tracer = options?.tracerProvider?.getTracer(name);
    const meter = options?.meterProvider?.getMeter(name);
    if (tracer === undefined && meter === undefined && logger === undefined) return undefined;
    const instruments = meter === undefined ? undefined : new Instruments(meter, options?.tenantInMetrics ?? false);
    return new Telemetry(Object.freeze({ tracer, instruments, logger }));
  }

  /** A statement is about to be sent. */
  statement(facts: StatementFacts): ActiveStatement {
    return new ActiveStatement(facts, this.#listeners);
  }

  /** Runs a transaction's or savepoint's work inside a span of its own: what its callback starts has that span as its parent. */
  transaction<T>(place: WorkPlace, what: 'transaction' | 'savepoint', work: () => Promise<T>): Promise<T> {
    const { tracer } = this.#listeners;
    if (tracer === undefined) return work();
    let running: Promise<T> | undefined;
    quietly(() => {
      tracer.startActiveSpan(what, { attributes: { ...placeAttributes(place) } }, (span) => {
        running = spanned(span, work());
      });
    });
    return running ?? work();
  }

  /** Something was refused, and recorded under this action. */
  refused(action: string, tenantId: string | undefined): void {
    quietly(() => this.#listeners.instruments?.refusal(action, tenantId));
  }

  retried(reason: RetryReason): void {
    quietly(() => this.#listeners.instruments?.retry(reason));
  }

  /** @returns undefined when nothing is measured */
  pool(clusterId: string, database: string): PoolObserver | undefined {
    const { instruments } = this.#listeners;
    if (instruments === undefined) return undefined;
    const of = `${clusterId}/${database}`;
    return {
      waited: (ms) => quietly(() => instruments.waited(of, ms)),
      lost: () => quietly(() => instruments.lost(of)),
      watch: (pool) => {
        let stop = (): void => {};
        quietly(() => {
          stop = instruments.watch(of, pool);
        });
        return () => quietly(stop);
      },
    };
  }
}

async function spanned<T>(span: TelemetrySpan, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    quietly(() => {
      const { type, sqlState } = failureNames(error);
      span.setAttributes({ 'error.type': type, ...(sqlState !== undefined && { 'db.response.status_code': sqlState }) });
      span.setStatus({ code: errorStatus });
    });
    throw error;
  } finally {
    quietly(() => span.end());
  }
}
