import { inArray } from 'drizzle-orm';
import type { InvoiceLine } from '../csv/invoice-line.ts';
import { readInvoiceLines } from '../csv/invoice-lines.ts';
import type { ProductCatalogue } from '../product-catalogue.ts';
import { inventory, orderLines, orders, products } from '../schema.ts';
import { supplierIban } from '../supplier-iban.ts';
import { bounded } from './bounded.ts';
import type { Retailer } from './retailer.ts';

/** Rows per insert. */
const batchSize = 500;
/** Batches under way, over all retailers. */
const parallel = 6;

const currencies: Readonly<Record<string, string>> = { 'united-kingdom': 'GBP', usa: 'USD', japan: 'JPY', australia: 'AUD' };

/** Brings invoice lines into the retailers' databases. Every row has an identity of its own, so that what runs twice counts once. */
export class InvoiceImport {
  readonly #retailers: ReadonlyMap<string, Retailer>;
  readonly #skus = new Map<string, ReadonlyMap<string, string>>();

  constructor(retailers: ReadonlyMap<string, Retailer>) {
    this.#retailers = retailers;
  }

  /** Products with their suppliers' accounts, and what lies on the shelf. */
  async products(catalogue: ProductCatalogue): Promise<void> {
    await bounded([...this.#retailers.values()], parallel, async ({ id, tenancy }) => {
      const wanted = catalogue.products(id);
      await tenancy.run(id, async () => {
        for (let from = 0; from < wanted.length; from += batchSize) {
          const batch = wanted.slice(from, from + batchSize);
          await tenancy.db
            .insert(products)
            .values(batch.map(({ sku, description, price }) => ({ sku, description, price, supplierIban: supplierIban(sku) })))
            .onConflictDoNothing({ target: [products.tenantId, products.sku] });
        }
        const rows = await tenancy.db.select({ id: products.id, sku: products.sku }).from(products);
        const ids = new Map(rows.map(({ sku, id: productId }) => [sku, productId]));
        this.#skus.set(id, ids);
        const shelves = wanted.flatMap(({ sku, stock }) => (stock === undefined ? [] : [{ productId: ids.get(sku)!, quantity: stock }]));
        for (let from = 0; from < shelves.length; from += batchSize) {
          await tenancy.db
            .insert(inventory)
            .values(shelves.slice(from, from + batchSize))
            .onConflictDoNothing({ target: [inventory.tenantId, inventory.productId] });
        }
      });
    });
  }

  /**
   * Orders and their lines, streamed: no more than some batches are held in memory.
   *
   * @param path a file or a directory
   * @param onBatch told after each batch how many lines it had
   * @returns how many lines were new
   */
  async lines(path: string, signal: AbortSignal, onBatch: (lines: number) => void = () => {}): Promise<number> {
    const waiting = new Map<string, InvoiceLine[]>();
    const running = new Set<Promise<void>>();
    let inserted = 0;
    const work = async (retailerId: string, batch: readonly InvoiceLine[]): Promise<void> => {
      const kept = await this.#batch(this.#retailer(retailerId), batch);
      inserted += kept;
      onBatch(batch.length);
    };
    const send = async (retailerId: string, batch: InvoiceLine[]): Promise<void> => {
      while (running.size >= parallel) await Promise.race(running);
      const done = work(retailerId, batch).finally(() => running.delete(done));
      done.catch(() => {}); // It is awaited by the next batch, or below.
      running.add(done);
    };
    for await (const entry of readInvoiceLines(path, signal)) {
      if (entry.kind === 'problem') continue;
      const batch = waiting.get(entry.retailerId) ?? [];
      waiting.set(entry.retailerId, batch);
      batch.push(entry);
      if (batch.length >= batchSize) await send(entry.retailerId, batch.splice(0));
    }
    for (const [retailerId, batch] of waiting) if (batch.length > 0) await send(retailerId, batch);
    await Promise.all(running);
    return inserted;
  }

  /** All of a batch or nothing of it. */
  async #batch({ id, tenancy }: Retailer, lines: readonly InvoiceLine[]): Promise<number> {
    const skus = this.#skus.get(id)!;
    // In one order, always: batches at work beside each other that hold the same invoices or lines then wait and don't deadlock.
    const batch = lines.toSorted((left, right) => (left.lineKey < right.lineKey ? -1 : 1));
    const invoices = new Map(batch.map((line) => [line.invoiceNo, line]));
    return await tenancy.run(
      id,
      async () =>
        await tenancy.db.transaction(async (tx) => {
          await tx
            .insert(orders)
            .values(
              [...invoices.values()].map(({ invoiceNo, customerId, orderedAt }) => ({
                invoiceNo,
                customer: customerId,
                orderedAt,
                currency: currencies[id] ?? 'EUR',
              })),
            )
            .onConflictDoNothing({ target: [orders.tenantId, orders.invoiceNo] });
          const rows = await tx
            .select({ id: orders.id, invoiceNo: orders.invoiceNo })
            .from(orders)
            .where(inArray(orders.invoiceNo, [...invoices.keys()]));
          const orderIds = new Map(rows.map(({ invoiceNo, id: orderId }) => [invoiceNo, orderId]));
          const kept = await tx
            .insert(orderLines)
            .values(
              batch.map(({ invoiceNo, stockCode, quantity, unitPrice, lineKey }) => ({
                orderId: orderIds.get(invoiceNo)!,
                productId: skus.get(stockCode)!,
                quantity,
                unitPrice,
                lineKey,
              })),
            )
            .onConflictDoNothing({ target: [orderLines.tenantId, orderLines.lineKey] })
            .returning({ lineKey: orderLines.lineKey });
          return kept.length;
        }),
    );
  }

  #retailer(id: string): Retailer {
    const retailer = this.#retailers.get(id);
    if (retailer === undefined) throw new Error(`No retailer "${id}" was onboarded.`);
    return retailer;
  }
}
