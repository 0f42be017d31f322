import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface BenchOptions {
  /** One JSON document on stdout and nothing else there. */
  readonly json: boolean;
  /** Few, short rounds: to see that it runs, and roughly where things stand. */
  readonly quick: boolean;
}

/** @throws {TypeError} for an option that does not exist */
export function readBenchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({ args: [...args], options: { json: { type: 'boolean' }, quick: { type: 'boolean' } } });
  return { json: values.json ?? false, quick: values.quick ?? false };
}
