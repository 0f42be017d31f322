import { percentile } from './statistics.ts';
import type { Operation } from './subject.ts';

/** What one round of one subject gave. */
export interface Measurement {
  readonly opsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

let turn = 0;

/**
 * Lets callers work side by side for a while. Each waits for its answer before it asks again, and takes the next tenant each time.
 * Throughput is the sum of the callers' own rates, so that short rounds are not charged for how they begin and end.
 *
 * @param durationMs how long new operations begin
 */
export async function measure(
  operation: Operation,
  tenantIds: readonly string[],
  callers: number,
  durationMs: number,
): Promise<Measurement> {
  const latencies: number[] = [];
  let opsPerSecond = 0;
  const startedAt = performance.now();
  const caller = async (): Promise<void> => {
    let calls = 0;
    let now = performance.now();
    const beganAt = now;
    do {
      const mine = turn++;
      await operation(tenantIds[mine % tenantIds.length]!, mine);
      const after = performance.now();
      latencies.push(after - now);
      now = after;
      calls++;
    } while (now - startedAt < durationMs);
    opsPerSecond += (calls * 1_000) / (now - beganAt);
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const sorted = Float64Array.from(latencies).sort();
  return { opsPerSecond, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99) };
}
