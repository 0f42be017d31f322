import type { FailureNames } from './failure-names.ts';
import type {
  TelemetryAttributes,
  TelemetryCounter,
  TelemetryGauge,
  TelemetryHistogram,
  TelemetryMeter,
  TelemetryObservation,
} from './open-telemetry.ts';
import { measuredPlace, type WorkPlace } from './work-place.ts';

/** A pool of lanes as its gauges read it. */
export interface MeasuredPool {
  /** Lanes that are open. */
  readonly size: number;
  /** Lanes with work under way. */
  readonly busy: number;
  /** How many wait for a lane. */
  readonly queued: number;
}

/** OpenTelemetry's advice for durations of database calls, in seconds. */
const seconds = { unit: 's', advice: { explicitBucketBoundaries: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] } };

/** Every instrument of the library, made once per meter provider. */
export class Instruments {
  readonly #withTenant: boolean;
  readonly #statements: TelemetryCounter;
  readonly #duration: TelemetryHistogram;
  readonly #refusals: TelemetryCounter;
  readonly #retries: TelemetryCounter;
  readonly #losses: TelemetryCounter;
  readonly #wait: TelemetryHistogram;
  readonly #lanes: TelemetryGauge;
  readonly #pending: TelemetryGauge;

  constructor(meter: TelemetryMeter, withTenant: boolean) {
    this.#withTenant = withTenant;
    this.#statements = meter.createCounter('tenancy.statements', { description: 'Statements that have ended.', unit: '{statement}' });
    this.#duration = meter.createHistogram('db.client.operation.duration', {
      description: 'From handing a statement to the pool until its answer.',
      ...seconds,
    });
    this.#refusals = meter.createCounter('tenancy.refusals', {
      description: 'Refusals, by the action that was audited.',
      unit: '{refusal}',
    });
    this.#retries = meter.createCounter('tenancy.retries', { description: 'Work that was run again, by why.', unit: '{retry}' });
    this.#losses = meter.createCounter('tenancy.lane.losses', { description: 'Lanes whose connection died.', unit: '{lane}' });
    this.#wait = meter.createHistogram('db.client.connection.wait_time', { description: 'The wait for a lane.', ...seconds });
    this.#lanes = meter.createObservableUpDownCounter('db.client.connection.count', {
      description: 'Lanes that are open, by state.',
      unit: '{connection}',
    });
    this.#pending = meter.createObservableUpDownCounter('db.client.connection.pending_requests', {
      description: 'How many wait for a lane.',
      unit: '{request}',
    });
  }

  statement(place: WorkPlace, operation: string | undefined, durationMs: number, failure: FailureNames | undefined): void {
    const attributes = measuredPlace(place, this.#withTenant);
    if (operation !== undefined) attributes['db.operation.name'] = operation;
    if (failure !== undefined) attributes['error.type'] = failure.type;
    if (failure?.sqlState !== undefined) attributes['db.response.status_code'] = failure.sqlState;
    this.#statements.add(1, attributes);
    this.#duration.record(durationMs / 1_000, attributes);
  }

  refusal(action: string, tenantId: string | undefined): void {
    const attributes: TelemetryAttributes = { 'tenancy.action': action };
    if (this.#withTenant && tenantId !== undefined) attributes['tenancy.tenant.id'] = tenantId;
    this.#refusals.add(1, attributes);
  }

  retry(reason: string): void {
    this.#retries.add(1, { 'tenancy.retry.reason': reason });
  }

  waited(pool: string, ms: number): void {
    this.#wait.record(ms / 1_000, { 'db.client.connection.pool.name': pool });
  }

  lost(pool: string): void {
    this.#losses.add(1, { 'db.client.connection.pool.name': pool });
  }

  /** Reads a pool whenever metrics are collected. @returns what ends that */
  watch(name: string, pool: MeasuredPool): () => void {
    const of = { 'db.client.connection.pool.name': name };
    const lanes = (observation: TelemetryObservation): void => {
      const { size, busy } = pool;
      observation.observe(busy, { ...of, 'db.client.connection.state': 'used' });
      observation.observe(Math.max(size - busy, 0), { ...of, 'db.client.connection.state': 'idle' });
    };
    const pending = (observation: TelemetryObservation): void => observation.observe(pool.queued, of);
    this.#lanes.addCallback(lanes);
    this.#pending.addCallback(pending);
    return () => {
      this.#lanes.removeCallback(lanes);
      this.#pending.removeCallback(pending);
    };
  }
}
