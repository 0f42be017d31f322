import { parseDecimal } from './csv/decimal.ts';
import type { InvoiceLine } from './csv/invoice-line.ts';

/** A product as a retailer's invoice lines describe it. */
export interface CatalogueProduct {
  readonly sku: string;
  /** The last one given. */
  readonly description: string | undefined;
  /** The last one above 0, with four decimals; `0.0000` when there is none. */
  readonly price: string;
  /** Pieces on the shelf: as many as the lines sold. Undefined for services such as postage. */
  readonly stock: number | undefined;
}

/** Gathers what each retailer sells from its invoice lines; they hold no stock, so the shelf is filled with what was sold. */
export class ProductCatalogue {
  readonly #retailers = new Map<string, Map<string, CatalogueProduct>>();

  /** @param line one that was not counted before */
  add(line: InvoiceLine): void {
    const products = this.#retailers.get(line.retailerId) ?? new Map<string, CatalogueProduct>();
    this.#retailers.set(line.retailerId, products);
    const before = products.get(line.stockCode);
    products.set(line.stockCode, {
      sku: line.stockCode,
      description: line.description ?? before?.description,
      price: parseDecimal(line.unitPrice)! > 0n ? line.unitPrice : (before?.price ?? '0.0000'),
      stock: line.isProduct ? (before?.stock ?? 0) + Math.max(0, line.quantity) : undefined,
    });
  }

  /** A retailer's products in the order in which the lines first name them. */
  products(retailerId: string): readonly CatalogueProduct[] {
    return [...(this.#retailers.get(retailerId)?.values() ?? [])];
  }
}
