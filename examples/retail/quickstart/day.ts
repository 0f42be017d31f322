import { eq, gte, sql } from 'drizzle-orm';
import { formatDecimal, parseDecimal } from '../csv/decimal.ts';
import { inventory, orderLines, orders, products } from '../schema.ts';
import { supplierIban } from '../supplier-iban.ts';
import { bounded } from './bounded.ts';
import { type DayReport, dayReport } from './day-report.ts';
import { Progress } from './progress.ts';
import type { Retailer } from './retailer.ts';
import type { StoredTotals } from './totals-check.ts';

const ordersPerRetailer = 12;
const reportsPerRetailer = 3;
/** Orders and reports under way, over all retailers. */
const parallel = 16;

/** What one retailer's day was. */
export interface RetailerDay {
  readonly retailerId: string;
  readonly orders: number;
  readonly lines: number;
  readonly quantity: number;
  readonly revenue: string;
  readonly reports: number;
  readonly differences: readonly string[];
}

interface Shelf {
  readonly productId: string;
  readonly price: string;
  readonly before: number;
}

/** One retailer's day, as it is planned: what it orders is known beforehand, and so what must come out. */
interface DayPlan {
  readonly retailer: Retailer;
  readonly shelves: readonly Shelf[];
  readonly baskets: readonly (readonly { readonly shelf: Shelf; readonly quantity: number }[])[];
  readonly since: Date;
}

/** A day in all retailers at once: a new product, orders that take from the shelf, one that must fail, and reports while they come in. */
export async function liveDay(retailers: readonly Retailer[]): Promise<readonly RetailerDay[]> {
  const since = new Date();
  const plans = await bounded(retailers, parallel, async (retailer) => await planOf(retailer, since));
  const reports = new Map<string, DayReport[]>(retailers.map(({ id }) => [id, []]));
  const work = plans.flatMap((plan) => [
    ...plan.baskets.map((_, number) => async () => await placeOrder(plan, number)),
    async () => await failingOrder(plan),
    ...Array.from({ length: reportsPerRetailer }, () => async () => {
      reports.get(plan.retailer.id)!.push(await dayReport(plan.retailer, since));
    }),
  ]);
  using progress = new Progress('orders and reports', work.length);
  await bounded(interleaved(work, plans.length), parallel, async (task) => {
    await task();
    progress.advance();
  });
  return await bounded(plans, parallel, async (plan) => await dayOf(plan, reports.get(plan.retailer.id)!));
}

/** What a retailer's database must hold after its day. */
export function afterDay(before: StoredTotals, day: RetailerDay): StoredTotals {
  return {
    retailerId: before.retailerId,
    orders: before.orders + day.orders,
    lines: before.lines + day.lines,
    products: before.products + 1,
    quantity: before.quantity + day.quantity,
    revenue: formatDecimal(parseDecimal(before.revenue)! + parseDecimal(day.revenue)!),
  };
}

async function planOf(retailer: Retailer, since: Date): Promise<DayPlan> {
  const { id, tenancy } = retailer;
  const shelves = await tenancy.run(id, async () => {
    await tenancy.db.transaction(async (tx) => {
      const [product] = await tx
        .insert(products)
        .values({ sku: 'NEW-TODAY', description: 'NEW ARRIVAL', price: '9.9900', supplierIban: supplierIban('NEW-TODAY') })
        .returning({ id: products.id });
      await tx.insert(inventory).values({ productId: product!.id, quantity: 10_000 });
    });
    return await tenancy.db
      .select({ productId: products.id, price: products.price, before: inventory.quantity })
      .from(products)
      .innerJoin(inventory, eq(inventory.productId, products.id))
      .where(gte(inventory.quantity, 4 * ordersPerRetailer))
      .orderBy(products.sku)
      .limit(8);
  });
  const baskets = Array.from({ length: ordersPerRetailer }, (_, number) =>
    shelves
      .filter((_shelf, index) => (index + number) % 3 === 0 || shelves.length < 3)
      .map((shelf, index) => ({ shelf, quantity: 1 + ((number + index) % 4) })),
  );
  return { retailer, shelves, baskets, since };
}

/** Tasks of all retailers in turn, instead of one retailer after the other. */
function interleaved<T>(tasks: readonly T[], groups: number): readonly T[] {
  const size = tasks.length / groups;
  return tasks.map((_, index) => tasks[(index % groups) * size + Math.floor(index / groups)]!);
}

async function placeOrder({ retailer: { id, tenancy }, baskets }: DayPlan, number: number): Promise<void> {
  const invoiceNo = `DAY-${number + 1}`;
  await tenancy.run(
    id,
    async () =>
      await tenancy.db.transaction(async (tx) => {
        const [order] = await tx.insert(orders).values({ invoiceNo, orderedAt: new Date(), currency: 'EUR' }).returning({ id: orders.id });
        const basket = baskets[number]!;
        await tx.insert(orderLines).values(
          basket.map(({ shelf, quantity }, index) => ({
            orderId: order!.id,
            productId: shelf.productId,
            quantity,
            unitPrice: shelf.price,
            lineKey: `${invoiceNo}:${index}`,
          })),
        );
        // Always in the order of the products: two orders then wait for each other instead of blocking each other.
        for (const { shelf, quantity } of basket) {
          await tx
            .update(inventory)
            .set({ quantity: sql`${inventory.quantity} - ${quantity}` })
            .where(eq(inventory.productId, shelf.productId));
        }
      }),
  );
}

/** An order that finds, in the middle, that it can't be served: nothing of it may stay. */
async function failingOrder({ retailer: { id, tenancy }, shelves }: DayPlan): Promise<void> {
  const outOfStock = new Error('out of stock');
  await tenancy
    .run(
      id,
      async () =>
        await tenancy.db.transaction(async (tx) => {
          const [order] = await tx
            .insert(orders)
            .values({ invoiceNo: 'DAY-TOO-MUCH', orderedAt: new Date(), currency: 'EUR' })
            .returning({ id: orders.id });
          const shelf = shelves[0]!;
          await tx.insert(orderLines).values({
            orderId: order!.id,
            productId: shelf.productId,
            quantity: 1_000_000,
            unitPrice: shelf.price,
            lineKey: 'DAY-TOO-MUCH:0',
          });
          throw outOfStock;
        }),
    )
    .catch((error: unknown) => {
      if (error !== outOfStock) throw error;
    });
}

async function dayOf({ retailer, shelves, baskets, since }: DayPlan, reports: readonly DayReport[]): Promise<RetailerDay> {
  const { id, tenancy } = retailer;
  const lines = baskets.flat();
  const revenue = lines.reduce((sum, { shelf, quantity }) => sum + BigInt(quantity) * parseDecimal(shelf.price)!, 0n);
  const expected = {
    orders: baskets.length,
    lines: lines.length,
    quantity: lines.reduce((sum, { quantity }) => sum + quantity, 0),
    revenue: formatDecimal(revenue),
  };
  const final = await dayReport(retailer, since);
  const differences = [...reports, final].flatMap((report) => report.differences);
  for (const field of ['orders', 'lines', 'quantity', 'revenue'] as const) {
    if (final[field] !== expected[field])
      differences.push(`${id}: the day's ${field} are ${final[field]} and should be ${expected[field]}`);
  }
  const stock = await tenancy.run(id, async () => await tenancy.db.select().from(inventory));
  for (const shelf of shelves) {
    const sold = lines.filter((line) => line.shelf === shelf).reduce((sum, { quantity }) => sum + quantity, 0);
    const left = stock.find(({ productId }) => productId === shelf.productId)?.quantity;
    if (left !== shelf.before - sold) differences.push(`${id}: ${left} pieces are left of a product and should be ${shelf.before - sold}`);
  }
  return { retailerId: id, ...expected, reports: reports.length + 1, differences };
}
