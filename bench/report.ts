import type { BenchDocument } from './bench-document.ts';
import { encryptionTables } from './encryption/encryption-tables.ts';
import { type Floor, isMet } from './floor.ts';
import { throughputRatio } from './ratios.ts';
import type { Result } from './result.ts';

/** A run as tables for people, one block for each case, number of callers and distance. */
export function report({
  results,
  addedRoundTripMs,
  roundTrips,
  besideSlow,
  memory,
  contextCost,
  planModes,
  encryption,
}: BenchDocument): string {
  const blocks = [...blocksOf(results).values()].map((block) => resultBlock(block, results));
  if (addedRoundTripMs !== undefined) blocks.push([`The proxy added ${addedRoundTripMs.toFixed(2)} ms to an echo's round trip.`]);
  if (roundTrips.length > 0) {
    const rows = roundTrips.map(({ subject, statements, cold, warm }) => [subject, String(statements), String(cold), String(warm)]);
    blocks.push(table(['round trips of a transaction', 'statements', 'cold', 'warm'], rows));
  }
  if (besideSlow.length > 0) {
    const rows = besideSlow.map(({ subject, aloneP99Ms, besideP99Ms }) => [
      subject,
      aloneP99Ms.toFixed(2),
      besideP99Ms.toFixed(2),
      `${(besideP99Ms / aloneP99Ms).toFixed(2)}×`,
    ]);
    blocks.push(table(["the others' p99, ms", 'alone', 'beside', 'ratio'], rows));
  }
  if (contextCost.length > 0) {
    const rows = contextCost.map(({ subject, signedP50Ms, plainP50Ms }) => [
      subject,
      plainP50Ms.toFixed(3),
      signedP50Ms.toFixed(3),
      `${(signedP50Ms / plainP50Ms).toFixed(2)}×`,
    ]);
    blocks.push(table(['point select, 1 caller: p50 ms', 'context believed', 'signed', 'ratio'], rows));
  }
  if (memory.length > 0) {
    const rows = memory.map(({ tenants, heapBytes, rssBytes }) => [
      tenants.toLocaleString('en'),
      inMegabytes(heapBytes),
      inMegabytes(rssBytes),
    ]);
    blocks.push(table(['known tenants', 'heap MB', 'rss MB'], rows));
  }
  if (planModes.length > 0) {
    const rows = planModes.map((modes) => [
      `${modes.case}, ${modes.lanes} lanes`,
      modes.auto.toFixed(0),
      modes.generic.toFixed(0),
      `${modes.ratio.toFixed(2)}×`,
      `${modes.ratioLow.toFixed(2)} to ${modes.ratioHigh.toFixed(2)}`,
    ]);
    blocks.push(table(['tenancy-schema, 32 callers: ops/s', 'auto', 'generic', 'ratio', 'least and most'], rows));
  }
  for (const { title, head, rows } of encryptionTables(encryption)) {
    blocks.push([
      title,
      ...table(
        head,
        rows.map((row) => row.map((cell) => cell.replaceAll('`', ''))),
      ),
    ]);
  }
  return blocks.map((lines) => `${lines.join('\n')}\n`).join('\n');
}

/** The floors with what was measured. */
export function floorsReport(floors: readonly Floor[]): string {
  const rows = floors.map((floor) => {
    const bound = `${floor.atLeast ? '≥' : '≤'} ${floor.bound}${floor.unit}`;
    return [`${floor.subject}  ${floor.text}`, bound, `${floor.measured.toFixed(2)}${floor.unit}`, isMet(floor) ? 'met' : 'NOT MET'];
  });
  return `${table(['floors', 'bound', 'measured', ''], rows).join('\n')}\n`;
}

/** Results by what they may be compared within. */
export function blocksOf(results: readonly Result[]): ReadonlyMap<string, readonly Result[]> {
  const blocks = new Map<string, Result[]>();
  for (const result of results) {
    const { case: what, callers, rttMs } = result;
    const title = `${what}, ${callers} ${callers === 1 ? 'caller' : 'callers'}${rttMs > 0 ? `, ${rttMs} ms` : ''}`;
    blocks.set(title, [...(blocks.get(title) ?? []), result]);
  }
  return blocks;
}

function resultBlock(block: readonly Result[], results: readonly Result[]): string[] {
  const [title] = blocksOf(block).keys();
  const rows = block.map((result) => [
    result.subject,
    result.opsPerSecond.toFixed(0),
    result.p50Ms.toFixed(3),
    result.p99Ms.toFixed(3),
    ratio(throughputRatio(results, result, 'drizzle')),
    ratio(throughputRatio(results, result, 'raw')),
  ]);
  return table([title ?? '', 'ops/s', 'p50 ms', 'p99 ms', '× drizzle', '× raw'], rows);
}

function ratio(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(2);
}

function inMegabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

/** The first column to the left, the others to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]! + 2)))
      .join('')
      .trimEnd();
  return [line(head), ...rows.map(line)];
}
