import { setTimeout as sleep } from 'node:timers/promises';
import { type Measurement, measure } from './measure.ts';
import { type Result, rounded } from './result.ts';
import { median } from './statistics.ts';
import type { Subject } from './subject.ts';

/** Point selects of the other tenants, without and beside one whose queries take two seconds. */
export interface BesideSlow {
  readonly subject: string;
  readonly aloneP99Ms: number;
  readonly besideP99Ms: number;
}

export interface BesideSlowOptions {
  readonly rounds: number;
  readonly roundMs: number;
  readonly signal: AbortSignal;
  readonly onRound: (text: string) => void;
}

const slowSeconds = 2;
/** As many as there are connections: the slow tenant takes what it gets. */
const slowCallers = 10;
const otherCallers = 8;

/**
 * Lets the first tenant run slow queries without a pause while the others select.
 *
 * @throws the signal's reason once it is aborted
 */
export async function measureBesideSlow(
  subjects: readonly Subject[],
  options: BesideSlowOptions,
): Promise<{ readonly compared: readonly BesideSlow[]; readonly results: readonly Result[] }> {
  const alone = new Map<string, Measurement[]>(subjects.map(({ name }) => [name, []]));
  const beside = new Map<string, Measurement[]>(subjects.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const subject of subjects) {
      options.signal.throwIfAborted();
      options.onRound(`beside-slow, ${subject.name}: round ${round + 1} of ${options.rounds}`);
      const others = (): Promise<Measurement> =>
        measure(subject.operations['point-select']!, subject.tenantIds.slice(1), otherCallers, options.roundMs);
      alone.get(subject.name)!.push(await others());
      const stop = slowNeighbour(subject, options.signal);
      try {
        await sleep(300);
        beside.get(subject.name)!.push(await others());
      } finally {
        await stop();
      }
    }
  }
  const of = (rounds: readonly Measurement[], field: keyof Measurement): number => rounded(median(rounds.map((round) => round[field])));
  return {
    compared: subjects.map(({ name }) => ({
      subject: name,
      aloneP99Ms: of(alone.get(name)!, 'p99Ms'),
      besideP99Ms: of(beside.get(name)!, 'p99Ms'),
    })),
    results: subjects.map(({ name }) => ({
      case: 'beside-slow',
      callers: otherCallers,
      rttMs: 0,
      subject: name,
      opsPerSecond: of(beside.get(name)!, 'opsPerSecond'),
      p50Ms: of(beside.get(name)!, 'p50Ms'),
      p99Ms: of(beside.get(name)!, 'p99Ms'),
    })),
  };
}

/** @returns ends it, once the queries under way have ended */
function slowNeighbour(subject: Subject, signal: AbortSignal): () => Promise<void> {
  let stopped = false;
  const caller = async (): Promise<void> => {
    while (!stopped && !signal.aborted) await subject.sleep(subject.tenantIds[0]!, slowSeconds);
  };
  const all = Promise.all(Array.from({ length: slowCallers }, caller));
  // Awaited by whoever stops it; until then a failure must not count as unheard.
  all.catch(() => {});
  return async () => {
    stopped = true;
    await all;
  };
}
