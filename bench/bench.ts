import { writeFile } from 'node:fs/promises';
import { readBenchOptions } from './bench-options.ts';
import { floorsOf } from './floors.ts';
import { plot } from './plot/plot.ts';
import { floorsReport, report } from './report.ts';
import { runBench } from './run-bench.ts';

/* Measures this library beside what it stands on. Progress goes to stderr, results to stdout. */
const options = readBenchOptions(process.argv.slice(2));
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));

const say = (text: string): void => void process.stderr.write(`${process.uptime().toFixed(1).padStart(6)} s  ${text}\n`);

try {
  const document = await runBench(options, process.env['DATABASE_URL'], interrupted.signal, say);
  process.stdout.write(options.json ? `${JSON.stringify(document, undefined, 2)}\n` : report(document));
  // Beside a JSON document they are for whoever watches.
  if (options.floors) (options.json ? process.stderr : process.stdout).write(`\n${floorsReport(floorsOf(document))}`);
  if (options.svg !== undefined) await writeFile(options.svg, plot(document));
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
  process.stderr.write(`${(interrupted.signal.reason as Error).message}\n`);
  process.exitCode = 130;
}
