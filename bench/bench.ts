import { readBenchOptions } from './bench-options.ts';
import { type BenchmarkOptions, benchmark } from './benchmark.ts';
import { report } from './report.ts';
import { createWorld } from './world.ts';

/* Measures this library beside what it stands on. Progress goes to stderr, results to stdout. */
const { json, quick } = readBenchOptions(process.argv.slice(2));
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const lengths: Pick<BenchmarkOptions, 'rounds' | 'roundMs' | 'warmUpMs'> = quick
  ? { rounds: 3, roundMs: 200, warmUpMs: 150 }
  : { rounds: 9, roundMs: 1_500, warmUpMs: 1_000 };

try {
  say('setting up a platform with tenants of three isolations');
  const world = await createWorld(process.env['DATABASE_URL']);
  try {
    const results = await benchmark(world.subjects, { ...lengths, callers: [1, 32], signal: interrupted.signal, onRound: say });
    process.stdout.write(json ? `${JSON.stringify({ results }, undefined, 2)}\n` : report(results));
  } finally {
    await world[Symbol.asyncDispose]();
  }
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
  say((interrupted.signal.reason as Error).message);
  process.exitCode = 130;
}
