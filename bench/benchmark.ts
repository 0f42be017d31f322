import { type Case, cases } from './case.ts';
import { type Measurement, measure } from './measure.ts';
import type { Result } from './result.ts';
import { median } from './statistics.ts';
import type { Subject } from './subject.ts';

export interface BenchmarkOptions {
  readonly callers: readonly number[];
  readonly rounds: number;
  /** How long each subject works in one round, in milliseconds. */
  readonly roundMs: number;
  readonly warmUpMs: number;
  readonly signal: AbortSignal;
  /** Told before each round. */
  readonly onRound: (text: string) => void;
}

/**
 * Measures every subject in every case. Subjects alternate within a round and change places from round to round, so that what the
 * machine does besides falls on all of them.
 *
 * @throws the signal's reason once it is aborted
 */
export async function benchmark(subjects: readonly Subject[], options: BenchmarkOptions): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const what of cases) {
    for (const callers of options.callers) results.push(...(await alternate(subjects, what, callers, options)));
  }
  return results;
}

async function alternate(subjects: readonly Subject[], what: Case, callers: number, options: BenchmarkOptions): Promise<readonly Result[]> {
  const measured = new Map<Subject, Measurement[]>(subjects.map((subject) => [subject, []]));
  const work = async (subject: Subject, durationMs: number): Promise<Measurement> => {
    options.signal.throwIfAborted();
    return await measure(subject.operations[what], subject.tenantIds, callers, durationMs);
  };
  for (const subject of subjects) await work(subject, options.warmUpMs);
  for (let round = 0; round < options.rounds; round++) {
    options.onRound(`${what}, ${callers === 1 ? '1 caller' : `${callers} callers`}: round ${round + 1} of ${options.rounds}`);
    const first = round % subjects.length;
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      measured.get(subject)!.push(await work(subject, options.roundMs));
    }
  }
  return subjects.map((subject) => summary(subject, what, callers, measured.get(subject)!));
}

function summary(subject: Subject, what: Case, callers: number, rounds: readonly Measurement[]): Result {
  const of = (field: keyof Measurement): number => median(rounds.map((round) => round[field]));
  return {
    case: what,
    callers,
    rttMs: 0,
    subject: subject.name,
    opsPerSecond: Math.round(of('opsPerSecond')),
    p50Ms: rounded(of('p50Ms')),
    p99Ms: rounded(of('p99Ms')),
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
