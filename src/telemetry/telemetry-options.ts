import type { TelemetryMeterProvider, TelemetryTracerProvider } from './open-telemetry.ts';

/** Where spans and measurements go; nothing is made, and nothing costs, for a provider that is not given. */
export interface TelemetryOptions {
  /** OpenTelemetry's: a span for every statement and transaction (docs/observability.md, "Spans"). */
  readonly tracerProvider?: TelemetryTracerProvider | undefined;
  /** OpenTelemetry's: counters, gauges and histograms (docs/observability.md, "Metrics"). */
  readonly meterProvider?: TelemetryMeterProvider | undefined;
  /**
   * Whether measurements of statements and refusals also name the tenant; false unless told. Every tenant is then a time series of its own
   * in each of them: mind how many your metrics store bears.
   */
  readonly tenantInMetrics?: boolean | undefined;
}
