import type { BenchDocument } from './bench-document.ts';
import { type Case, filterCases, leakproofCases, mainCases, preparedCases } from './case.ts';
import { encryptionFloorsOf } from './encryption/encryption-floors.ts';
import { encryptionTables } from './encryption/encryption-tables.ts';
import { type Floor, isMet } from './floor.ts';
import { accessFloorsOf } from './floors.ts';
import type { Machine } from './machine.ts';
import { latencyRatio, resultOf, throughputRatio } from './ratios.ts';
import type { Result } from './result.ts';

type Format = (result: Result, results: readonly Result[]) => string;

const throughput =
  (other: string): Format =>
  (result, results) =>
    `${thousands(result.opsPerSecond)} (${times(throughputRatio(results, result, other))})`;
const latencies: Format = ({ p50Ms, p99Ms }) => `${digits(p50Ms)} / ${digits(p99Ms)}`;
const latencyBeside =
  (other: string): Format =>
  (result, results) =>
    `${digits(result.p50Ms)} (${times(latencyRatio(results, result, other))})`;

/** The figures of a run as Markdown: what stands between the markers of docs/performance.md. Parts that were not measured are left out. */
export function figures(document: BenchDocument): string {
  const { results, roundTrips, besideSlow, memory, contextCost, planModes, addedRoundTripMs } = document;
  const sections = [
    machineLine(document.machine),
    titled('32 callers: operations a second (× stock drizzle)', matrix(results, mainCases, 32, 0, throughput('drizzle'))),
    titled('1 caller: p50 / p99, ms', matrix(results, mainCases, 1, 0, latencies)),
    titled(
      `Behind ${addedRoundTripMs?.toFixed(2)} ms of round trip, 1 caller: p50 ms (× raw)`,
      matrix(results, mainCases, 1, 2, latencyBeside('raw')),
    ),
    titled('Behind the same, 32 callers: operations a second (× stock drizzle)', matrix(results, mainCases, 32, 2, throughput('drizzle'))),
    titled('Prepared, 32 callers: operations a second (× raw)', matrix(results, preparedCases, 32, 0, throughput('raw'))),
    titled('Filters, 1 caller: p50 / p99, ms', matrix(results, [...filterCases, ...leakproofCases], 1, 0, latencies)),
    titled(
      'Round trips of an interactive transaction: warm (cold)',
      table(
        ['', ...distinct(roundTrips.map(({ statements }) => `${statements} ${statements === 1 ? 'statement' : 'statements'}`))],
        distinct(roundTrips.map(({ subject }) => subject)).map((subject) => [
          `\`${subject}\``,
          ...roundTrips.filter((trips) => trips.subject === subject).map(({ warm, cold }) => `${warm} (${cold})`),
        ]),
      ),
    ),
    titled(
      "Point selects beside a tenant with 2 s queries: the others' p99, ms",
      table(
        ['', 'without it', 'beside it', 'ratio'],
        besideSlow.map(({ subject, aloneP99Ms, besideP99Ms }) => [
          `\`${subject}\``,
          digits(aloneP99Ms),
          digits(besideP99Ms),
          times(besideP99Ms / aloneP99Ms),
        ]),
      ),
    ),
    titled(
      'Entering a scope',
      table(
        ['', 'µs'],
        results.filter((result) => result.case === 'scope-entry').map(({ subject, p50Ms }) => [`\`${subject}\``, digits(p50Ms * 1_000)]),
      ),
    ),
    titled(
      'Verification of the signed context: a point select, 1 caller, p50 in ms',
      table(
        ['', 'believed', 'signed', 'ratio'],
        contextCost.map(({ subject, signedP50Ms, plainP50Ms }) => [
          `\`${subject}\``,
          plainP50Ms.toFixed(3),
          signedP50Ms.toFixed(3),
          times(signedP50Ms / plainP50Ms),
        ]),
      ),
    ),
    titled(
      "`planCacheMode: 'force_generic_plan'` in `tenancy-schema`, 32 callers: operations a second",
      table(
        ['', 'without it', 'with it', 'ratio', 'least and most'],
        planModes.map((modes) => [
          `\`${modes.case}\`, ${modes.lanes} lanes`,
          thousands(modes.auto),
          thousands(modes.generic),
          times(modes.ratio),
          `${digits(modes.ratioLow)} to ${digits(modes.ratioHigh)}`,
        ]),
      ),
    ),
    titled(
      'Memory for known tenants',
      table(
        ['tenants', 'heap, MB', 'resident, MB'],
        memory.map(({ tenants, heapBytes, rssBytes }) => [thousands(tenants), digits(heapBytes / 2 ** 20), digits(rssBytes / 2 ** 20)]),
      ),
    ),
    floorsTable(accessFloorsOf(document)),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

/** The figures of encryption as Markdown, for the place of their own in docs/performance.md; empty when none was measured. */
export function encryptionFigures({ machine, encryption }: BenchDocument): string {
  const tables = encryptionTables(encryption).map(({ title, head, rows }) => titled(title, table(head, rows)));
  return tables.length === 0 ? '' : [machineLine(machine), ...tables, floorsTable(encryptionFloorsOf(encryption))].join('\n\n');
}

function floorsTable(floors: readonly Floor[]): string {
  return titled(
    'Floors',
    table(
      ['', 'floor', 'bound', 'measured', ''],
      floors.map((floor) => [
        `\`${floor.subject}\``,
        floor.text,
        `${floor.atLeast ? '≥' : '≤'} ${floor.bound}${floor.unit}`,
        `${digits(floor.measured)}${floor.unit}`,
        isMet(floor) ? 'met' : '**not met**',
      ]),
    ),
  );
}

function machineLine({ cpu, cores, memoryGb, loadBefore, node, postgresql, packages }: Machine): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return `${cpu}, ${cores} cores, ${memoryGb} GB; PostgreSQL ${postgresql}, Node ${node}, ${versions.join(', ')}. Load of the machine before the run: ${loadBefore}.`;
}

/** One row for each subject, one column for each case; cases that nobody was measured in are left out. */
function matrix(results: readonly Result[], cases: readonly Case[], callers: number, rttMs: number, format: Format): readonly string[] {
  const block = results.filter((result) => cases.includes(result.case) && result.callers === callers && result.rttMs === rttMs);
  const columns = cases.filter((what) => block.some((result) => result.case === what));
  const rows = distinct(block.map(({ subject }) => subject)).map((subject) => [
    `\`${subject}\``,
    ...columns.map((what) => {
      const result = resultOf(block, { case: what, callers, rttMs, subject });
      return result === undefined ? '' : format(result, results);
    }),
  ]);
  return table(['', ...columns.map((what) => `\`${what}\``)], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)];
}

function titled(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [`**${title}**`, '', ...lines].join('\n');
}

function distinct<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function times(value: number | undefined): string {
  return value === undefined ? '–' : `${digits(value)}×`;
}

/** Two digits after the point for small values, fewer for large ones. */
function digits(value: number): string {
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : thousands(value);
}
