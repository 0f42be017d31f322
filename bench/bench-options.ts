import { parseArgs } from 'node:util';
import { subjectNames } from './subject-names.ts';

/** What the command line asks for. */
export interface BenchOptions {
  /** One JSON document on stdout and nothing else there. */
  readonly json: boolean;
  /** Few, short rounds of the main cases: to see that it runs, and roughly where things stand. */
  readonly quick: boolean;
  /** What was promised, with what was measured. */
  readonly floors: boolean;
  /** Where a plot goes. */
  readonly svg: string | undefined;
  /** How many queries the key manager's calls are counted over. */
  readonly queries: number;
  /** The cases to run; all of the mode's when empty. */
  readonly cases: readonly string[];
  /** The subjects to run; all when empty. */
  readonly subjects: readonly string[];
}

/** @throws {TypeError} for an option or a subject that does not exist, or a number that is none; cases are looked at by the plan */
export function readBenchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      floors: { type: 'boolean', default: false },
      svg: { type: 'string' },
      queries: { type: 'string', default: '50000' },
      cases: { type: 'string', default: '' },
      subjects: { type: 'string', default: '' },
    },
  });
  const { json, quick, floors, svg } = values;
  const subjects = listOf(values.subjects);
  const known: readonly string[] = subjectNames;
  const unknown = subjects.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`there is no subject ${unknown}; there are ${known.join(', ')}`);
  const queries = Number(values.queries);
  if (!Number.isInteger(queries) || queries < 1) throw new TypeError('--queries takes a whole number from 1');
  return { json, quick, floors, svg, queries, cases: listOf(values.cases), subjects };
}

function listOf(text: string): readonly string[] {
  return text.split(',').filter((name) => name !== '');
}
