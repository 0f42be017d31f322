import type { BenchDocument } from './bench-document.ts';
import { encryptionFloorsOf } from './encryption/encryption-floors.ts';
import type { Floor } from './floor.ts';
import { latencyRatio, resultOf, throughputRatio } from './ratios.ts';

const statements = ['point-select', 'list-join', 'insert', 'update'] as const;
const isolations = ['row', 'schema', 'database'] as const;
const ofStockDrizzle = { row: 2, schema: 1.5, database: 2 } as const;

/** Every floor that the run has figures for. */
export function floorsOf(document: BenchDocument): readonly Floor[] {
  return [...accessFloorsOf(document), ...encryptionFloorsOf(document.encryption)];
}

/** Those of scoped access. */
export function accessFloorsOf({ results, roundTrips, besideSlow }: BenchDocument): readonly Floor[] {
  const floors: Floor[] = [];
  const add = (floor: Omit<Floor, 'measured'>, measured: number | undefined): void => {
    if (measured !== undefined) floors.push({ ...floor, measured });
  };
  for (const isolation of isolations) {
    const subject = `tenancy-${isolation}`;
    const most = { subject, atLeast: false } as const;
    const least = { subject, atLeast: true, unit: '×' } as const;
    for (const what of statements) {
      const distant = { case: what, callers: 1, rttMs: 2, subject };
      add({ ...most, text: `${what} at 2 ms, 1 caller: raw's latency`, bound: 1.1, unit: '×' }, latencyRatio(results, distant, 'raw'));
    }
    for (const what of statements) {
      const busy = { case: what, callers: 32, rttMs: 0, subject };
      const stock = { ...least, text: `${what}, 32 callers: stock drizzle's throughput`, bound: ofStockDrizzle[isolation] };
      add(stock, throughputRatio(results, busy, 'drizzle'));
      const pattern = { ...least, text: `${what}, 32 callers: the transaction pattern's throughput`, bound: 4 };
      add(pattern, throughputRatio(results, busy, 'drizzle-transaction'));
      const prepared = { ...busy, case: `${what}-prepared` };
      add({ ...least, text: `${what} prepared, 32 callers: raw's throughput`, bound: 0.5 }, throughputRatio(results, prepared, 'raw'));
    }
    for (const trips of roundTrips.filter((count) => count.subject === subject)) {
      const { statements: count, warm } = trips;
      add({ ...most, text: `transaction of ${count}, warm: round trips`, bound: count + 1, unit: '' }, warm);
    }
    const beside = besideSlow.find((compared) => compared.subject === subject);
    const others = { ...most, text: "beside a slow tenant: the others' p99 without it", bound: 1.5, unit: '×' };
    add(others, beside === undefined ? undefined : beside.besideP99Ms / beside.aloneP99Ms);
    const entry = resultOf(results, { case: 'scope-entry', callers: 1, rttMs: 0, subject });
    add({ ...most, text: 'entering a scope', bound: 2, unit: ' µs' }, entry === undefined ? undefined : entry.p50Ms * 1_000);
  }
  return floors;
}
