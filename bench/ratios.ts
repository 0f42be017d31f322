import type { Result } from './result.ts';

/** What of a run a figure belongs to. */
export interface ResultKey {
  readonly case: string;
  readonly callers: number;
  readonly rttMs: number;
  readonly subject: string;
}

export function resultOf(results: readonly Result[], key: ResultKey): Result | undefined {
  return results.find(
    (result) => result.case === key.case && result.callers === key.callers && result.rttMs === key.rttMs && result.subject === key.subject,
  );
}

/** How many times another subject's throughput this one has, in the same case of the same run; undefined when either was not measured. */
export function throughputRatio(results: readonly Result[], key: ResultKey, other: string): number | undefined {
  return quotient(resultOf(results, key)?.opsPerSecond, resultOf(results, { ...key, subject: other })?.opsPerSecond);
}

/** How many times another subject's median latency this one has. */
export function latencyRatio(results: readonly Result[], key: ResultKey, other: string): number | undefined {
  return quotient(resultOf(results, key)?.p50Ms, resultOf(results, { ...key, subject: other })?.p50Ms);
}

function quotient(value: number | undefined, by: number | undefined): number | undefined {
  return value === undefined || by === undefined ? undefined : value / by;
}
