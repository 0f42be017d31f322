import type { Case } from './case.ts';

/** One line of the results; medians over the rounds, latencies in milliseconds. */
export interface Result {
  readonly case: Case;
  /** How many callers ran at a time, each waiting for its answer before it asked again. */
  readonly callers: number;
  /** Round-trip time that was added between client and server, in milliseconds; 0: none. */
  readonly rttMs: number;
  readonly subject: string;
  readonly opsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Five digits tell more than any of this is good for. */
export function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
