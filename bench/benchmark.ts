import { operationOf } from './case.ts';
import { type Measurement, measure } from './measure.ts';
import { type Cell, fullLengths, lengthsWithin } from './plan.ts';
import { type Result, rounded } from './result.ts';
import { median } from './statistics.ts';
import type { Subject } from './subject.ts';
import type { TimeBudget } from './time-budget.ts';

export interface BenchmarkOptions {
  /** For a run that must end in time; rounds have their full length unless told. */
  readonly budget?: TimeBudget | undefined;
  readonly rttMs: number;
  readonly signal: AbortSignal;
  /** Told before each case. */
  readonly onCase: (text: string) => void;
}

/**
 * Measures every subject in every case. Subjects alternate within a round and change places from round to round, so that what the
 * machine does besides falls on all of them.
 *
 * @throws the signal's reason once it is aborted
 */
export async function benchmark(subjects: readonly Subject[], cells: readonly Cell[], options: BenchmarkOptions): Promise<Result[]> {
  const results: Result[] = [];
  for (const cell of cells) {
    options.onCase(
      `${cell.case}, ${cell.callers} ${cell.callers === 1 ? 'caller' : 'callers'}${options.rttMs > 0 ? `, ${options.rttMs} ms` : ''}`,
    );
    results.push(...(await alternate(subjects, cell, options)));
  }
  return results;
}

async function alternate(
  all: readonly Subject[],
  { case: what, callers, weight }: Cell,
  options: BenchmarkOptions,
): Promise<readonly Result[]> {
  const operation = operationOf(what);
  const subjects = all.filter((subject) => subject.operations[operation] !== undefined);
  const measured = new Map<Subject, Measurement[]>(subjects.map((subject) => [subject, []]));
  const work = async (subject: Subject, durationMs: number): Promise<Measurement> => {
    options.signal.throwIfAborted();
    return await measure(subject.operations[operation]!, subject.tenantIds, callers, durationMs);
  };
  const allowedMs = options.budget?.next(weight);
  const lengths = allowedMs === undefined ? fullLengths : lengthsWithin(subjects.length, allowedMs);
  const startedAt = performance.now();
  for (const subject of subjects) await work(subject, lengths.warmUpMs);
  for (let round = 0; round < lengths.rounds; round++) {
    // The warm-up counts as two passes, and all passes take about as long.
    const nextEndsAfter = ((performance.now() - startedAt) * (round + 3)) / (round + 2);
    if (allowedMs !== undefined && round > 0 && nextEndsAfter > allowedMs) break;
    const first = round % subjects.length;
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      measured.get(subject)!.push(await work(subject, lengths.roundMs));
    }
  }
  return subjects.map((subject) => {
    const of = (field: keyof Measurement): number => rounded(median(measured.get(subject)!.map((round) => round[field])));
    return {
      case: what,
      callers,
      rttMs: options.rttMs,
      subject: subject.name,
      opsPerSecond: of('opsPerSecond'),
      p50Ms: of('p50Ms'),
      p99Ms: of('p99Ms'),
    };
  });
}
