import { formatDecimal, parseDecimal } from './csv/decimal.ts';
import type { InvoiceLine, LineProblem } from './csv/invoice-line.ts';

/** What a retailer's database must hold after the import. Amounts are exact: never a float. */
export interface RetailerTotals {
  readonly retailerId: string;
  readonly country: string;
  readonly orders: number;
  readonly lines: number;
  /** Different product codes, services such as postage included. */
  readonly products: number;
  /** Pieces, returns subtracted. */
  readonly quantity: number;
  /** `sum(quantity * unit_price)`, written as PostgreSQL writes a numeric of scale 4. */
  readonly revenue: string;
}

interface Sums {
  readonly country: string;
  readonly keys: Set<string>;
  readonly orders: Set<string>;
  readonly products: Set<string>;
  quantity: number;
  revenue: bigint;
}

/** Adds up invoice lines per retailer; a line that comes again, by its key, counts once. */
export class TotalsCounter {
  readonly #retailers = new Map<string, Sums>();
  readonly #problems: LineProblem[] = [];
  #repeated = 0;

  /** @returns false when the entry was a problem, or a line that had been counted before */
  add(entry: InvoiceLine | LineProblem): boolean {
    if (entry.kind === 'problem') {
      this.#problems.push(entry);
      return false;
    }
    let sums = this.#retailers.get(entry.retailerId);
    if (sums === undefined) {
      sums = { country: entry.country, keys: new Set(), orders: new Set(), products: new Set(), quantity: 0, revenue: 0n };
      this.#retailers.set(entry.retailerId, sums);
    }
    if (sums.keys.has(entry.lineKey)) {
      this.#repeated += 1;
      return false;
    }
    sums.keys.add(entry.lineKey);
    sums.orders.add(entry.invoiceNo);
    sums.products.add(entry.stockCode);
    sums.quantity += entry.quantity;
    sums.revenue += BigInt(entry.quantity) * parseDecimal(entry.unitPrice)!;
    return true;
  }

  /** By retailer id, in the order of the ids. */
  get retailers(): ReadonlyMap<string, RetailerTotals> {
    return new Map(
      [...this.#retailers]
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([retailerId, sums]) => [
          retailerId,
          {
            retailerId,
            country: sums.country,
            orders: sums.orders.size,
            lines: sums.keys.size,
            products: sums.products.size,
            quantity: sums.quantity,
            revenue: formatDecimal(sums.revenue),
          },
        ]),
    );
  }

  get problems(): readonly LineProblem[] {
    return this.#problems;
  }

  /** How many lines came a second time from another file. */
  get repeated(): number {
    return this.#repeated;
  }
}

/**
 * The totals of everything that a reader yields.
 *
 * @example
 * ```ts
 * const { retailers } = await expectedTotals(readInvoiceLines('sample'));
 * ```
 */
export async function expectedTotals(entries: AsyncIterable<InvoiceLine | LineProblem>): Promise<TotalsCounter> {
  const counter = new TotalsCounter();
  for await (const entry of entries) counter.add(entry);
  return counter;
}

/** Where the database differs from the files: one sentence for each field of each retailer. */
export function totalsDifferences(
  expected: ReadonlyMap<string, RetailerTotals>,
  actual: ReadonlyMap<string, Omit<RetailerTotals, 'country'>>,
): readonly string[] {
  const differences: string[] = [];
  for (const id of new Set([...expected.keys(), ...actual.keys()])) {
    const [want, have] = [expected.get(id), actual.get(id)];
    if (want === undefined || have === undefined) {
      differences.push(`${id}: ${want === undefined ? 'is in the database, but in no file' : 'is in the files, but not in the database'}`);
      continue;
    }
    for (const field of ['orders', 'lines', 'products', 'quantity', 'revenue'] as const) {
      if (want[field] !== have[field])
        differences.push(`${id}: ${field} is ${have[field]} in the database and ${want[field]} in the files`);
    }
  }
  return differences;
}
