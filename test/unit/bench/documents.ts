import type { BenchDocument } from '../../../bench/bench-document.ts';
import type { Result } from '../../../bench/result.ts';

export function result(what: Result['case'], subject: string, opsPerSecond: number, changes: Partial<Result> = {}): Result {
  return { case: what, subject, callers: 32, rttMs: 0, opsPerSecond, p50Ms: 1_000 / opsPerSecond, p99Ms: 2_000 / opsPerSecond, ...changes };
}

export function benchDocument(changes: Partial<BenchDocument>): BenchDocument {
  return {
    machine: {
      cpu: 'a processor',
      cores: 2,
      memoryGb: 4,
      loadBefore: 0.5,
      node: '20.0.0',
      postgresql: '18.0',
      packages: { postgres: '3.4.9' },
    },
    results: [],
    addedRoundTripMs: undefined,
    roundTrips: [],
    besideSlow: [],
    memory: [],
    contextCost: [],
    planModes: [],
    encryption: { valueCosts: [] },
    ...changes,
  };
}
