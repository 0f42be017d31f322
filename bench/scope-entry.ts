import { type Result, rounded } from './result.ts';
import { percentile } from './statistics.ts';
import type { Subject } from './subject.ts';

const callsPerBatch = 500;

/**
 * Enters scopes of known tenants with a callback that does nothing, one after the other, and times batches of them.
 *
 * @param durationMs how long, after as much again to warm up
 * @returns nothing for a subject without scopes
 */
export async function measureScopeEntry({ name, tenantIds, enter }: Subject, durationMs: number): Promise<readonly Result[]> {
  if (enter === undefined) return [];
  const batches: number[] = [];
  const startedAt = performance.now();
  for (let now = startedAt; now - startedAt < durationMs * 2; ) {
    const beganAt = performance.now();
    for (let call = 0; call < callsPerBatch; call++) await enter(tenantIds[call % tenantIds.length]!);
    now = performance.now();
    if (now - startedAt >= durationMs) batches.push((now - beganAt) / callsPerBatch);
  }
  const sorted = Float64Array.from(batches).sort();
  const p50Ms = percentile(sorted, 0.5);
  const result: Result = {
    case: 'scope-entry',
    callers: 1,
    rttMs: 0,
    subject: name,
    opsPerSecond: rounded(1_000 / p50Ms),
    p50Ms: rounded(p50Ms),
    p99Ms: rounded(percentile(sorted, 0.99)),
  };
  return [result];
}
