import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { InvoiceLine, LineProblem } from '../../../../examples/retail/csv/invoice-line.ts';
import { invoiceFiles, readInvoiceLines } from '../../../../examples/retail/csv/invoice-lines.ts';

const header = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country';
const good = '536365,85123A,WHITE LANTERN,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'invoices-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(name: string, ...lines: string[]): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, lines.join('\n'));
  return path;
}

async function readAll(path: string): Promise<(InvoiceLine | LineProblem)[]> {
  const entries: (InvoiceLine | LineProblem)[] = [];
  for await (const entry of readInvoiceLines(path)) entries.push(entry);
  return entries;
}

/** Each entry as `line code`, or `line !reason`. */
async function outline(...lines: string[]): Promise<string[]> {
  const entries = await readAll(await write('outline.csv', header, ...lines));
  return entries.map((entry) => `${entry.line} ${entry.kind === 'line' ? entry.stockCode : `!${entry.reason}`}`);
}

describe('one line', () => {
  test('is typed, exact and in UTC', async () => {
    const [line] = await readAll(await write('one.csv', header, good));
    expect(line).toEqual({
      kind: 'line',
      file: 'one.csv',
      line: 2,
      invoiceNo: '536365',
      stockCode: '85123A',
      description: 'WHITE LANTERN',
      quantity: 6,
      orderedAt: new Date('2010-12-01T08:26:00Z'),
      unitPrice: '2.5500',
      customerId: '17850',
      country: 'United Kingdom',
      retailerId: 'united-kingdom',
      isReturn: false,
      isProduct: true,
      lineKey: expect.stringMatching(/^536365:[0-9a-f]{24}:1$/),
    });
  });

  test.each([
    ['a return', { invoiceNo: 'C1' }, { isReturn: true }],
    ['negative pieces', { quantity: '-3' }, { quantity: -3, isReturn: true }],
    ['no customer', { customer: '' }, { customerId: undefined }],
    ['no description', { description: '' }, { description: undefined }],
    ['price 0', { price: '0.0' }, { unitPrice: '0.0000' }],
    ['a correction below 0', { price: '-11062.06' }, { unitPrice: '-11062.0600' }],
    ['quantity 0', { quantity: '0' }, { quantity: 0, isReturn: false }],
    ['postage', { code: 'POST' }, { isProduct: false }],
    ['a fee with a space', { code: 'BANK CHARGES' }, { isProduct: false }],
    ['manual, in small letters', { code: 'm' }, { stockCode: 'M', isProduct: false }],
    ['a code in small letters', { code: '85123a' }, { stockCode: '85123A', isProduct: true }],
    ['an American date', { date: '12/1/2010 8:26' }, { orderedAt: new Date('2010-12-01T08:26:00Z') }],
    ['white space', { code: ' 85123A ', country: ' EIRE' }, { stockCode: '85123A', retailerId: 'eire' }],
  ])('%s is kept', async (_, change, expected) => {
    const f = {
      invoiceNo: '1',
      code: '85123A',
      description: 'X',
      quantity: '6',
      date: '2010-12-01 08:26:00',
      price: '2.55',
      customer: '1',
      country: 'EIRE',
      ...change,
    };
    const row = [f.invoiceNo, f.code, f.description, f.quantity, f.date, f.price, f.customer, f.country].join();
    expect(await readAll(await write('kept.csv', header, row))).toEqual([expect.objectContaining({ kind: 'line', ...expected })]);
  });

  test.each([
    [',85123A,X,6,2010-12-01 08:26:00,2.55,1,EIRE', 'has no InvoiceNo'],
    ['1,,X,6,2010-12-01 08:26:00,2.55,1,EIRE', 'has no StockCode'],
    ['1,85123A,X,6,2010-12-01 08:26:00,2.55,1,', 'has no Country'],
    ['1,85123A,X,6,2010-12-01 08:26:00,2.55,1,???', 'has the Country "???", which names no retailer'],
    ['1,85123A,X,,2010-12-01 08:26:00,2.55,1,EIRE', 'has the Quantity "", which is no whole number'],
    ['1,85123A,X,1e3,2010-12-01 08:26:00,2.55,1,EIRE', 'has the Quantity "1e3", which is no whole number'],
    ['1,85123A,X,2.5,2010-12-01 08:26:00,2.55,1,EIRE', 'has the Quantity "2.5", which is no whole number'],
    ['1,85123A,X,99999999999,2010-12-01 08:26:00,2.55,1,EIRE', 'has the Quantity "99999999999", which is no whole number'],
    ['1,85123A,X,6,2010-02-29 08:26:00,2.55,1,EIRE', 'has the InvoiceDate "2010-02-29 08:26:00", which is no date'],
    ['1,85123A,X,6,13/1/2010 8:26,2.55,1,EIRE', 'has the InvoiceDate "13/1/2010 8:26", which is no date'],
    ['1,85123A,X,6,2010-12-01 24:00:00,2.55,1,EIRE', 'has the InvoiceDate "2010-12-01 24:00:00", which is no date'],
    ['1,85123A,X,6,2010-12-01 08:26:00,,1,EIRE', 'has the UnitPrice "", which is no amount with at most four decimals'],
    ['1,85123A,X,6,2010-12-01 08:26:00,0.00001,1,EIRE', 'has the UnitPrice "0.00001", which is no amount with at most four decimals'],
    ['1,85123A,X,6,2010-12-01 08:26:00', 'has 5 fields instead of 8'],
    ['1,85123A,X,6,2010-12-01 08:26:00,2.55,1,EIRE,more', 'has 9 fields instead of 8'],
    ['1,85123A,X\0,6,2010-12-01 08:26:00,2.55,1,EIRE', 'holds a NUL character'],
    ['no csv at all', 'has 1 fields instead of 8'],
  ])('%j is reported and the rest kept', async (bad, reason) => {
    expect(await outline(good, bad, good)).toEqual(['2 85123A', `3 !${reason}`, '4 85123A']);
  });
});

describe('quotes', () => {
  const line = (description: string): string => `1,85123A,${description},6,2010-12-01 08:26:00,2.55,1,EIRE`;

  test.each([
    ['"LOUNGE,METAL SIGN"', 'LOUNGE,METAL SIGN'],
    ['"FRAME 7"" SINGLE "', 'FRAME 7" SINGLE'],
    ['FRAME 7" SINGLE', 'FRAME 7" SINGLE'],
    ['"TWO\nLINES"', 'TWO\nLINES'],
    ['"A,\nB\n, C"', 'A,\nB\n, C'],
  ])('%j', async (written, description) => {
    const entries = await readAll(await write('quotes.csv', header, line(written), good));
    expect(entries).toEqual([
      expect.objectContaining({ line: 2, description }),
      expect.objectContaining({ line: 3 + written.split('\n').length - 1, stockCode: '85123A' }),
    ]);
  });

  test('one that is never closed costs its own line only', async () => {
    const open = line('"OPEN');
    expect(await outline(open, ...Array(9).fill(good))).toEqual([
      '2 !a quote is not closed',
      ...Array.from({ length: 9 }, (_, index) => `${index + 3} 85123A`),
    ]);
    expect(await outline(good, open)).toEqual(['2 85123A', '3 !a quote is not closed']);
    expect(await outline(open, line('"A,B"'), open, good)).toEqual([
      '2 !a quote is not closed',
      '3 85123A',
      '4 !a quote is not closed',
      '5 85123A',
    ]);
    expect(await outline(line('"A"B'), good)).toEqual(['2 !a quote stands in the wrong place', '3 85123A']);
  });
});

describe('files', () => {
  test('a directory is read in the order of names, other files left alone', async () => {
    await write('many/b.csv', header, good);
    await write('many/a.CSV', `\uFEFF${header}\r`, `${good}\r`, '\r', '');
    await write('many/c.csv', 'Other,Header', 'x,y');
    await write('many/d.csv');
    await write('many/.hidden.csv', 'x');
    await write('many/notes.txt', 'x');
    await write('many/deeper/e.csv', header, good);
    expect(
      (await readAll(join(folder, 'many'))).map(
        (entry) => `${entry.file}:${entry.line} ${entry.kind === 'line' ? entry.country : entry.reason}`,
      ),
    ).toEqual([
      'a.CSV:2 United Kingdom',
      'b.csv:2 United Kingdom',
      `c.csv:1 the file was left out: its header is not ${header}`,
      'd.csv:1 the file is empty',
    ]);
  });

  test('nothing to read is an error, not an empty import', async () => {
    await mkdir(join(folder, 'empty'));
    await expect(invoiceFiles(join(folder, 'empty'))).rejects.toThrow(/no \.csv file/);
    await expect(invoiceFiles(join(folder, 'absent'))).rejects.toThrow(/does not exist/);
  });

  test('an overlong line is one problem', async () => {
    const entries = await outline(good, 'x'.repeat(1_000_000), good);
    expect(entries).toEqual(['2 85123A', '3 !has 1 fields instead of 8', '4 85123A']);
  });

  test('characters that chunks cut in two are whole', async () => {
    const row = good.replace('WHITE', '£€£€£€£€£');
    const entries = await readAll(await write('wide.csv', header, ...Array(4000).fill(row)));
    expect(new Set(entries.map((entry) => (entry.kind === 'line' ? entry.description : entry.reason)))).toEqual(
      new Set(['£€£€£€£€£ LANTERN']),
    );
    expect(entries).toHaveLength(4000);
  });

  test('an aborted signal ends the reading', async () => {
    const path = await write('long.csv', header, ...Array(5000).fill(good));
    const controller = new AbortController();
    await expect(
      (async () => {
        for await (const _ of readInvoiceLines(path, controller.signal)) controller.abort();
      })(),
    ).rejects.toThrow(/abort/i);
  });
});

describe('line keys', () => {
  const keysOf = async (path: string): Promise<string[]> =>
    (await readAll(path)).flatMap((entry) => (entry.kind === 'line' ? [entry.lineKey] : []));

  test('the same file under another name, or with other lines around, gives the same keys', async () => {
    const first = await keysOf(await write('first.csv', header, good, good, good.replace('6,2010', '7,2010')));
    expect(await keysOf(await write('again.csv', header, good, good, good.replace('6,2010', '7,2010')))).toEqual(first);
    expect(
      await keysOf(await write('around.csv', header, 'bad', good.replaceAll('536365', '1'), good, good, good.replace('6,2010', '7,2010'))),
    ).toEqual(expect.arrayContaining(first));
    expect(await keysOf(await write('american.csv', header, good.replace('2010-12-01 08:26:00', '12/1/2010 8:26')))).toEqual(
      first.slice(0, 1),
    );
  });

  test('lines that one file repeats stay apart', async () => {
    const keys = await keysOf(await write('repeats.csv', header, good, good, good));
    expect(new Set(keys).size).toBe(3);
    expect(keys.map((key) => key.split(':')[2])).toEqual(['1', '2', '3']);
  });

  test.each(['536365', '85123A', 'WHITE', ',6,', '08:26:00', '2.55', '17850.0', 'United Kingdom'])('%s is part of them', async (part) => {
    const changed = good.replace(
      part,
      part === '08:26:00' ? '08:27:00' : part === ',6,' ? ',9,' : part === '2.55' ? '2.56' : `1${part}`.replace('1United', 'Old'),
    );
    const [one, other] = await keysOf(await write('part.csv', header, good, changed));
    expect(other).toBeDefined();
    expect(one!.slice(0, -2)).not.toBe(other!.slice(0, -2));
  });
});
