import { retailerIdOf } from '../retailer-for.ts';
import { formatDecimal, parseDecimal } from './decimal.ts';
import { parseInvoiceDate } from './invoice-date.ts';
import type { InvoiceLine } from './invoice-line.ts';
import type { LineKeys } from './line-keys.ts';

/** The header that every invoice file begins with. */
export const invoiceHeader = [
  'InvoiceNo',
  'StockCode',
  'Description',
  'Quantity',
  'InvoiceDate',
  'UnitPrice',
  'CustomerID',
  'Country',
] as const;

/** Codes of lines that are no products: postage, carriage, discounts, samples, manual entries, fees, write-offs. */
const services: ReadonlySet<string> = new Set(['POST', 'DOT', 'C2', 'D', 'M', 'S', 'B', 'AMAZONFEE', 'BANK CHARGES', 'CRUK', 'PADS']);

/**
 * Makes a typed line of a record's fields.
 *
 * Refused is what has no place in the books: no invoice, no product code, no country, a quantity, date or price that can't be read, a
 * character that PostgreSQL can't store. Kept is what is merely poor: no customer, no description, price 0, returns, quantity 0.
 *
 * @param keys the identities given so far in this file
 * @returns the line less its place, or the reason why it can't be used
 */
export function parseInvoiceLine(fields: readonly string[], keys: LineKeys): Omit<InvoiceLine, 'kind' | 'file' | 'line'> | string {
  if (fields.length !== invoiceHeader.length) return `has ${fields.length} fields instead of ${invoiceHeader.length}`;
  if (fields.some((field) => field.includes('\0'))) return 'holds a NUL character';
  const [invoiceNo, code, text, pieces, date, price, customer, country] = fields.map((field) => field.trim()) as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if (invoiceNo === '') return 'has no InvoiceNo';
  if (code === '') return 'has no StockCode';
  if (country === '') return 'has no Country';
  const quantity = /^-?\d{1,9}(?:\.0+)?$/.test(pieces) ? Number(pieces) : undefined;
  if (quantity === undefined) return `has the Quantity ${shown(pieces)}, which is no whole number`;
  const orderedAt = parseInvoiceDate(date);
  if (orderedAt === undefined) return `has the InvoiceDate ${shown(date)}, which is no date`;
  const units = parseDecimal(price);
  if (units === undefined) return `has the UnitPrice ${shown(price)}, which is no amount with at most four decimals`;
  const retailerId = retailerIdOf(country);
  if (retailerId === undefined) return `has the Country ${shown(country)}, which names no retailer`;

  const stockCode = code.toUpperCase();
  const description = text === '' ? undefined : text;
  const customerId = customer === '' ? undefined : customer.replace(/\.0+$/, '');
  const unitPrice = formatDecimal(units);
  const lineKey = keys.next(invoiceNo, [
    stockCode,
    description ?? '',
    quantity,
    orderedAt.toISOString(),
    unitPrice,
    customerId ?? '',
    retailerId,
  ]);
  return {
    invoiceNo,
    stockCode,
    description,
    quantity,
    orderedAt,
    unitPrice,
    customerId,
    country,
    retailerId,
    lineKey,
    isReturn: quantity < 0 || invoiceNo.startsWith('C'),
    isProduct: !services.has(stockCode),
  };
}

function shown(text: string): string {
  return JSON.stringify(text.length > 30 ? `${text.slice(0, 30)}…` : text);
}
