import type { EncryptionFigures } from './encryption-figures.ts';

/** A table of figures, for whichever way of writing it: the head, and rows as long. */
export interface FigureTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What was measured of encryption, as texts; tables of what was not are left out. */
export function encryptionTables({ valueCosts, select, kmsCalls, keyMemory }: EncryptionFigures): readonly FigureTable[] {
  const tables: FigureTable[] = [];
  if (valueCosts.length > 0) {
    tables.push({
      title: `One value beside bare AES-256-GCM, µs: medians of ${count(valueCosts[0]!.rounds)} rounds`,
      head: ['', 'bare', 'codec', 'ratio', 'middle half of the ratios'],
      rows: valueCosts.map(({ direction, bytes, plain, encrypted, ...ratios }) => [
        `${direction} ${count(bytes)} bytes`,
        plain.toFixed(2),
        encrypted.toFixed(2),
        ...ratioCells(ratios),
      ]),
    });
  }
  if (select !== undefined) {
    const { rows, columns, rounds, plain, encrypted, ...ratios } = select;
    tables.push({
      title: `A select of ${count(rows)} rows, ${columns} columns of which are encrypted, ms: medians of ${count(rounds)} rounds`,
      head: ['', 'plaintext', 'encrypted', 'ratio', 'middle half of the ratios'],
      rows: [['`tenancy-row`', plain.toFixed(2), encrypted.toFixed(2), ...ratioCells(ratios)]],
    });
  }
  if (kmsCalls !== undefined) {
    const { tenants, coldCalls, queries, seconds, warmCalls, refreshes } = kmsCalls;
    tables.push({
      title: 'Calls of the key manager',
      head: ['tenants', 'while each made its first query', 'queries after that', 'in s', 'calls during those', 'of them refreshes'],
      rows: [[count(tenants), count(coldCalls), count(queries), seconds.toFixed(0), count(warmCalls), count(refreshes)]],
    });
  }
  if (keyMemory !== undefined) {
    const { tenants, loaded, used } = keyMemory;
    tables.push({
      title: `Keys of ${count(tenants)} tenants in memory, bytes for each`,
      head: ['', 'heap', 'resident'],
      rows: [
        ['fetched', count(loaded.heapBytes / tenants), count(loaded.rssBytes / tenants)],
        ['and used', count(used.heapBytes / tenants), count(used.rssBytes / tenants)],
      ],
    });
  }
  return tables;
}

function ratioCells({ ratio, ratioLow, ratioHigh }: { readonly ratio: number; readonly ratioLow: number; readonly ratioHigh: number }) {
  return [`${ratio.toFixed(2)}×`, `${ratioLow.toFixed(2)} to ${ratioHigh.toFixed(2)}`];
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}
