import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { InvoiceLine } from '../../../../examples/retail/csv/invoice-line.ts';
import { readInvoiceLines } from '../../../../examples/retail/csv/invoice-lines.ts';
import { sampleFiles } from '../../../../examples/retail/sample/sample-files.ts';
import { sampleSeed } from '../../../../examples/retail/sample/sample-seed.ts';
import { expectedTotals } from '../../../../examples/retail/totals.ts';

const folder = join(import.meta.dirname, '../../../../examples/retail/sample');

test('the files are what the generator makes of the seed, and small', async () => {
  const files = sampleFiles(sampleSeed);
  expect((await readdir(folder)).filter((name) => name.endsWith('.csv')).sort()).toEqual([...files.keys()]);
  let bytes = 0;
  for (const [name, text] of files) {
    expect(await readFile(join(folder, name), 'utf8'), name).toBe(text);
    bytes += (await stat(join(folder, name))).size;
  }
  expect(bytes).toBeLessThan(400 * 1024);
  expect(sampleFiles(sampleSeed + 1)).not.toEqual(files);
});

test('it has what real files have', async () => {
  const lines: InvoiceLine[] = [];
  const problems: string[] = [];
  for await (const entry of readInvoiceLines(folder)) {
    if (entry.kind === 'line') lines.push(entry);
    else problems.push(entry.reason);
  }
  const count = (test: (line: InvoiceLine) => boolean): number => lines.filter(test).length;
  expect(lines.length).toBeGreaterThan(3000);
  expect(count((line) => line.isReturn)).toBeGreaterThan(20);
  expect(count((line) => line.invoiceNo.startsWith('C'))).toBeGreaterThan(10);
  expect(count((line) => line.customerId === undefined)).toBeGreaterThan(100);
  expect(count((line) => line.description === undefined)).toBeGreaterThan(5);
  expect(count((line) => line.unitPrice === '0.0000')).toBeGreaterThan(5);
  expect(count((line) => line.lineKey.endsWith(':2'))).toBeGreaterThan(5);
  expect(new Set(lines.filter((line) => !line.isProduct).map((line) => line.stockCode))).toEqual(new Set(['POST', 'M', 'D']));
  expect(new Set(problems).size).toBe(8);
});

test('its totals are these, for at least six retailers', async () => {
  const totals = await expectedTotals(readInvoiceLines(folder));
  expect(totals.repeated).toBe(0);
  expect(
    Object.fromEntries([...totals.retailers].map(([id, { orders, lines, quantity, revenue }]) => [id, [orders, lines, quantity, revenue]])),
  ).toMatchInlineSnapshot(`
    {
      "australia": [
        6,
        66,
        808,
        "11470.4800",
      ],
      "eire": [
        29,
        319,
        3910,
        "52518.8800",
      ],
      "france": [
        28,
        306,
        3644,
        "50981.1000",
      ],
      "germany": [
        27,
        342,
        4274,
        "56997.1000",
      ],
      "japan": [
        13,
        127,
        1441,
        "20351.2300",
      ],
      "norway": [
        9,
        105,
        1246,
        "16881.3800",
      ],
      "spain": [
        31,
        326,
        3764,
        "46937.7400",
      ],
      "united-kingdom": [
        163,
        1819,
        21672,
        "286803.4100",
      ],
      "usa": [
        14,
        146,
        1774,
        "21241.8100",
      ],
    }
  `);
});

test('reading everything twice counts nothing twice', async () => {
  const once = await expectedTotals(readInvoiceLines(folder));
  const twice = await expectedTotals(
    (async function* () {
      yield* readInvoiceLines(folder);
      yield* readInvoiceLines(folder);
    })(),
  );
  expect(twice.retailers).toEqual(once.retailers);
  expect(twice.repeated).toBe([...once.retailers.values()].reduce((sum, { lines }) => sum + lines, 0));
});
