import { expect, test } from 'vitest';
import { betweenMarkers } from '../../../bench/between-markers.ts';
import { figures } from '../../../bench/figures.ts';
import { isMet } from '../../../bench/floor.ts';
import { floorsOf } from '../../../bench/floors.ts';
import { plot } from '../../../bench/plot/plot.ts';
import { floorsReport, report } from '../../../bench/report.ts';
import { benchDocument, result } from './documents.ts';

const document = benchDocument({
  results: [
    result('point-select', 'raw', 4_000),
    result('point-select', 'drizzle', 1_000),
    result('point-select', 'drizzle-transaction', 500),
    result('point-select', 'tenancy-row', 2_500),
    result('point-select', 'tenancy-schema', 1_400),
    // The same case from afar must not be taken for it.
    result('point-select', 'raw', 100, { callers: 1, rttMs: 2, p50Ms: 2 }),
    result('point-select', 'drizzle', 50, { callers: 1, rttMs: 2, p50Ms: 4 }),
    result('point-select', 'tenancy-row', 90, { callers: 1, rttMs: 2, p50Ms: 2.3 }),
    result('scope-entry', 'tenancy-row', 800_000, { callers: 1, p50Ms: 0.001_25 }),
  ],
  addedRoundTripMs: 2.04,
  roundTrips: [{ subject: 'tenancy-row', statements: 5, cold: 8, warm: 6 }],
  besideSlow: [{ subject: 'tenancy-row', aloneP99Ms: 2, besideP99Ms: 4 }],
  contextCost: [{ subject: 'tenancy-row', signedP50Ms: 0.12, plainP50Ms: 0.1 }],
  planModes: [{ case: 'update', lanes: 'cold', rounds: 7, auto: 1_000, generic: 1_500, ratio: 1.5, ratioLow: 1.25, ratioHigh: 2 }],
  memory: [{ tenants: 1_000, heapBytes: 3 * 2 ** 20, rssBytes: 5 * 2 ** 20 }],
});

test('every subject stands beside drizzle and raw of its own block', () => {
  const lines = report(document).split('\n');
  const rows = lines.filter((line) => line.startsWith('tenancy-row')).map((line) => line.split(/\s+/).slice(1));
  expect(rows[0]).toEqual(['2500', '0.400', '0.800', '2.50', '0.63']);
  expect(rows[1]).toEqual(['90', '2.300', '22.222', '1.80', '0.90']);
  expect(lines).toContain("The proxy added 2.04 ms to an echo's round trip.");
  expect(report(document)).toMatch(/1,000 +3\.0 +5\.0/);
  expect(report(document)).toMatch(/update, cold lanes +1000 +1500 +1\.50× +1\.25 to 2\.00/);
  expect(report(document)).toMatch(/tenancy-row +0\.100 +0\.120 +1\.20×/);
});

test('each floor that was measured is compared with its bound, in its direction', () => {
  const found = floorsOf(document).map((floor) => [floor.subject, floor.text, Math.round(floor.measured * 100) / 100, isMet(floor)]);
  expect(found).toEqual([
    ['tenancy-row', "point-select at 2 ms, 1 caller: raw's latency", 1.15, false],
    ['tenancy-row', "point-select, 32 callers: stock drizzle's throughput", 2.5, true],
    ['tenancy-row', "point-select, 32 callers: the transaction pattern's throughput", 5, true],
    ['tenancy-row', 'transaction of 5, warm: round trips', 6, true],
    ['tenancy-row', "beside a slow tenant: the others' p99 without it", 2, false],
    ['tenancy-row', 'entering a scope', 1.25, true],
    ['tenancy-schema', "point-select, 32 callers: stock drizzle's throughput", 1.4, false],
    ['tenancy-schema', "point-select, 32 callers: the transaction pattern's throughput", 2.8, false],
  ]);
  expect(floorsReport(floorsOf(document)).match(/NOT MET/g)).toHaveLength(4);
});

test('the figures hold what was measured and nothing else', () => {
  const text = figures(document);
  expect(text).toContain('| `tenancy-row` | 2,500 (2.50×) |');
  expect(text).toContain('| `tenancy-row` | 2.30 (1.15×) |');
  expect(text).toContain('| `tenancy-row` | 6 (8) |');
  expect(text).toContain('| `tenancy-row` | 0.100 | 0.120 | 1.20× |');
  expect(text).toContain('| `update`, cold lanes | 1,000 | 1,500 | 1.50× | 1.25 to 2.00 |');
  expect(text).toContain('Load of the machine before the run: 0.5.');
  expect(text).not.toContain('Filters');
  expect(text).not.toContain('NaN');
});

test('only what stands between the markers is replaced', () => {
  const page = 'before\n<!-- figures: written by bench/document.ts -->\nold\n<!-- end of figures -->\nafter\n';
  const once = betweenMarkers(page, 'figures', 'new');
  expect(once).toBe('before\n<!-- figures: written by bench/document.ts -->\n\nnew\n\n<!-- end of figures -->\nafter\n');
  expect(betweenMarkers(once, 'figures', 'new')).toBe(once);
  expect(() => betweenMarkers(page, 'figures of encryption', 'new')).toThrow(/must have .*figures of encryption/);
  expect(() => betweenMarkers('no markers', 'figures', 'new')).toThrow(/must have/);
  expect(() => betweenMarkers(page + page, 'figures', 'new')).toThrow(/once each/);
});

test('the plot has a bar for each subject that was measured, as high as its share, and a line for drizzle', () => {
  const svg = plot(document);
  const heights = new Map(
    [...svg.matchAll(/height="([\d.]+)" rx="2" fill="[^"]+"><title>([^,]+), point-select: ([\d.]+)/g)].map((bar) => [bar[2], bar]),
  );
  expect([...heights.keys()]).toEqual(['raw', 'drizzle-transaction', 'tenancy-row', 'tenancy-schema']);
  expect(heights.get('tenancy-row')?.[3]).toBe('2.50');
  expect(Number(heights.get('raw')?.[1]) / Number(heights.get('drizzle-transaction')?.[1])).toBeCloseTo(8, 0);
  expect(svg).toContain('stroke-dasharray');
  expect(svg).not.toContain('NaN');
});
