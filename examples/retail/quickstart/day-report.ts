import { eq, gte, sql } from 'drizzle-orm';
import { formatDecimal, parseDecimal } from '../csv/decimal.ts';
import { orderLines, orders, products } from '../schema.ts';
import type { Retailer } from './retailer.ts';

export interface DayReport {
  readonly orders: number;
  readonly lines: number;
  readonly quantity: number;
  readonly revenue: string;
  /** Where the two ways to the same numbers disagree, or rows of others were seen. */
  readonly differences: readonly string[];
}

/** A retailer's day so far, twice in one snapshot: added up by PostgreSQL over joins, and here from relational queries. */
export async function dayReport({ id, tenancy }: Retailer, since: Date): Promise<DayReport> {
  const { joined, related } = await tenancy.run(
    id,
    async () =>
      await tenancy.db.transaction(
        async (tx) => ({
          joined: await tx
            .select({
              tenantId: orders.tenantId,
              orders: sql<number>`count(distinct ${orders.id})::int`,
              lines: sql<number>`count(*)::int`,
              quantity: sql<number>`sum(${orderLines.quantity})::int`,
              revenue: sql<string>`sum(${orderLines.quantity} * ${orderLines.unitPrice})::text`,
            })
            .from(orders)
            .innerJoin(orderLines, eq(orderLines.orderId, orders.id))
            .innerJoin(products, eq(products.id, orderLines.productId))
            .where(gte(orders.orderedAt, since))
            .groupBy(orders.tenantId),
          related: await tx.query.orders.findMany({
            where: gte(orders.orderedAt, since),
            with: { lines: { with: { product: { columns: { tenantId: true, sku: true } } } } },
          }),
        }),
        { isolationLevel: 'repeatable read', accessMode: 'read only' },
      ),
  );
  const lines = related.flatMap((order) => order.lines);
  const revenue = lines.reduce((sum, { quantity, unitPrice }) => sum + BigInt(quantity) * parseDecimal(unitPrice)!, 0n);
  const report = {
    orders: related.length,
    lines: lines.length,
    quantity: lines.reduce((sum, { quantity }) => sum + quantity, 0),
    revenue: formatDecimal(revenue),
  };
  const differences: string[] = [];
  const sums = joined[0] ?? { tenantId: id, orders: 0, lines: 0, quantity: 0, revenue: '0.0000' };
  for (const field of ['orders', 'lines', 'quantity', 'revenue'] as const) {
    if (sums[field] !== report[field])
      differences.push(`${id}: ${field} is ${sums[field]} by joins and ${report[field]} by relational queries`);
  }
  const seen = new Set([...joined, ...related, ...lines, ...lines.map(({ product }) => product)].map((row) => row?.tenantId));
  for (const other of seen) if (other !== id) differences.push(`${id}: a report showed rows of ${other}`);
  return { ...report, differences };
}
