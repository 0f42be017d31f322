/*
 * The part of OpenTelemetry's API that is used, by structure: whoever passes no provider needs no package of it, in types or at run time.
 * Providers of `@opentelemetry/sdk-trace-base` and `@opentelemetry/sdk-metrics`, and the API's global ones, fit.
 */

/** What spans and measurements are tagged with. */
export type TelemetryAttributes = Record<string, string | number | boolean>;

/** A span, as far as it is written to. */
export interface TelemetrySpan {
  setAttributes(attributes: TelemetryAttributes): unknown;
  setStatus(status: { code: number }): unknown;
  updateName(name: string): unknown;
  end(): void;
}

/** What spans are started with: `kind` is OpenTelemetry's number. */
export interface TelemetrySpanOptions {
  kind?: number;
  attributes?: TelemetryAttributes;
}

/** A tracer: spans are children of whatever is active. */
export interface TelemetryTracer {
  startSpan(name: string, options?: TelemetrySpanOptions): TelemetrySpan;
  startActiveSpan<T>(name: string, options: TelemetrySpanOptions, callback: (span: TelemetrySpan) => T): T;
}

/** OpenTelemetry's `TracerProvider`. */
export interface TelemetryTracerProvider {
  getTracer(name: string, version?: string): TelemetryTracer;
}

/** A counter or histogram. */
export interface TelemetryCounter {
  add(value: number, attributes?: TelemetryAttributes): void;
}

/** A histogram. */
export interface TelemetryHistogram {
  record(value: number, attributes?: TelemetryAttributes): void;
}

/** What an observable instrument's callback reports to. */
export interface TelemetryObservation {
  observe(value: number, attributes?: TelemetryAttributes): void;
}

/** An instrument that is read when metrics are collected. */
export interface TelemetryGauge {
  addCallback(callback: (observation: TelemetryObservation) => void): void;
  removeCallback(callback: (observation: TelemetryObservation) => void): void;
}

/** How an instrument is made. */
export interface TelemetryInstrumentOptions {
  description?: string;
  unit?: string;
  advice?: { explicitBucketBoundaries?: number[] };
}

/** A meter. */
export interface TelemetryMeter {
  createCounter(name: string, options?: TelemetryInstrumentOptions): TelemetryCounter;
  createHistogram(name: string, options?: TelemetryInstrumentOptions): TelemetryHistogram;
  createObservableUpDownCounter(name: string, options?: TelemetryInstrumentOptions): TelemetryGauge;
}

/** OpenTelemetry's `MeterProvider`. */
export interface TelemetryMeterProvider {
  getMeter(name: string, version?: string): TelemetryMeter;
}
