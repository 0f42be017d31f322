import { createTenancy, type TelemetryMeterProvider, type TelemetryTracerProvider, type TenancyOptions } from '@godseye/tenancy';
import * as schema from './schema.ts';

/** A tenancy that is watched: `trace.getTracerProvider()` and `metrics.getMeterProvider()` of `@opentelemetry/api` fit. */
export async function observedTenancy(
  options: Omit<TenancyOptions<typeof schema>, 'schema'>,
  tracerProvider: TelemetryTracerProvider,
  meterProvider: TelemetryMeterProvider,
) {
  // #region options
  return await createTenancy({
    ...options,
    schema,
    telemetry: { tracerProvider, meterProvider },
    logger: {
      logStatement: ({ tenantId, operation, fingerprint, durationMs, rows, outcome, sqlState }) => {
        if (outcome !== 'ok' || durationMs > 500)
          console.log(JSON.stringify({ tenantId, operation, fingerprint, durationMs, rows, outcome, sqlState }));
      },
    },
    lanes: { tenantInApplicationName: true },
  });
  // #endregion options
}
