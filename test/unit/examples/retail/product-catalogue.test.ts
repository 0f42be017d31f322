import { expect, test } from 'vitest';
import type { InvoiceLine } from '../../../../examples/retail/csv/invoice-line.ts';
import { ProductCatalogue } from '../../../../examples/retail/product-catalogue.ts';
import { supplierIban } from '../../../../examples/retail/supplier-iban.ts';

const line = (change: Partial<InvoiceLine>): InvoiceLine => ({
  kind: 'line',
  file: 'a.csv',
  line: 2,
  invoiceNo: '1',
  stockCode: 'A',
  description: 'LAMP',
  quantity: 3,
  orderedAt: new Date(0),
  unitPrice: '2.5000',
  customerId: undefined,
  country: 'EIRE',
  retailerId: 'eire',
  isReturn: false,
  isProduct: true,
  lineKey: 'k',
  ...change,
});

test('keeps the last description and price that say something, and fills the shelf with what was sold', () => {
  const catalogue = new ProductCatalogue();
  catalogue.add(line({ description: undefined, unitPrice: '0.0000' }));
  catalogue.add(line({ unitPrice: '3.0000' }));
  catalogue.add(line({ description: undefined, unitPrice: '0.0000', quantity: -5 }));
  catalogue.add(line({ stockCode: 'POST', description: 'POSTAGE', isProduct: false }));
  catalogue.add(line({ retailerId: 'spain', stockCode: 'Z' }));
  expect(catalogue.products('eire')).toEqual([
    { sku: 'A', description: 'LAMP', price: '3.0000', stock: 6 },
    { sku: 'POST', description: 'POSTAGE', price: '2.5000', stock: undefined },
  ]);
  expect(catalogue.products('norway')).toEqual([]);
});

test('a supplier’s IBAN is well-formed, the same each time, and of no real bank', () => {
  for (const sku of ['A', '85123A', 'POST']) {
    const iban = supplierIban(sku);
    expect(iban).toMatch(/^DE\d{2}00000000\d{10}$/);
    expect(supplierIban(sku)).toBe(iban);
    expect(BigInt(`${iban.slice(4)}1314${iban.slice(2, 4)}`) % 97n).toBe(1n);
  }
});
