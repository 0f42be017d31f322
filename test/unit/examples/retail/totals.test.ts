import { describe, expect, test } from 'vitest';
import type { InvoiceLine, LineProblem } from '../../../../examples/retail/csv/invoice-line.ts';
import { expectedTotals, type RetailerTotals, TotalsCounter, totalsDifferences } from '../../../../examples/retail/totals.ts';

const line = (change: Partial<InvoiceLine> = {}): InvoiceLine => ({
  kind: 'line',
  file: 'a.csv',
  line: 2,
  invoiceNo: '1',
  stockCode: 'A',
  description: 'X',
  quantity: 3,
  orderedAt: new Date(0),
  unitPrice: '0.1000',
  customerId: undefined,
  country: 'EIRE',
  retailerId: 'eire',
  isReturn: false,
  isProduct: true,
  lineKey: 'k1',
  ...change,
});
const problem: LineProblem = { kind: 'problem', file: 'a.csv', line: 3, reason: 'r' };

describe('TotalsCounter', () => {
  test('adds up exactly where floats would not', async () => {
    async function* entries(): AsyncGenerator<InvoiceLine | LineProblem> {
      yield line();
      yield line({ lineKey: 'k2', stockCode: 'B', unitPrice: '0.2000', quantity: 1 });
      yield line({ lineKey: 'k3', invoiceNo: 'C2', quantity: -2, unitPrice: '0.0001' });
      yield problem;
      yield line({ retailerId: 'spain', country: 'Spain', quantity: 90_000_000, unitPrice: '99999999.9999' });
    }
    const totals = await expectedTotals(entries());
    expect([...totals.retailers]).toEqual([
      ['eire', { retailerId: 'eire', country: 'EIRE', orders: 2, lines: 3, products: 2, quantity: 2, revenue: '0.4998' }],
      [
        'spain',
        { retailerId: 'spain', country: 'Spain', orders: 1, lines: 1, products: 1, quantity: 90_000_000, revenue: '8999999999991000.0000' },
      ],
    ]);
    expect(totals.problems).toEqual([problem]);
  });

  test('a key counts once per retailer', () => {
    const counter = new TotalsCounter();
    expect([line(), line({ file: 'b.csv' }), line({ retailerId: 'spain' }), problem].map((entry) => counter.add(entry))).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([counter.repeated, counter.retailers.get('eire')!.lines, counter.retailers.get('spain')!.lines]).toEqual([1, 1, 1]);
  });
});

describe('totalsDifferences', () => {
  const totals: RetailerTotals = { retailerId: 'eire', country: 'EIRE', orders: 1, lines: 2, products: 2, quantity: 3, revenue: '1.0000' };

  test('finds none between equals', () => {
    expect(totalsDifferences(new Map([['eire', totals]]), new Map([['eire', { ...totals }]]))).toEqual([]);
  });

  test.each([
    ['orders', 2],
    ['lines', 3],
    ['products', 1],
    ['quantity', -3],
    ['revenue', '1.0001'],
  ] as const)('names %s where it differs', (field, value) => {
    expect(totalsDifferences(new Map([['eire', totals]]), new Map([['eire', { ...totals, [field]: value }]]))).toEqual([
      `eire: ${field} is ${value} in the database and ${totals[field]} in the files`,
    ]);
  });

  test('names retailers that one side lacks', () => {
    expect(totalsDifferences(new Map([['eire', totals]]), new Map([['spain', totals]]))).toEqual([
      'eire: is in the files, but not in the database',
      'spain: is in the database, but in no file',
    ]);
  });
});
