import { sql } from 'drizzle-orm';
import { orderLines, orders, products } from '../schema.ts';
import { type RetailerTotals, totalsDifferences } from '../totals.ts';
import { bounded } from './bounded.ts';
import type { Retailer } from './retailer.ts';

export type StoredTotals = Omit<RetailerTotals, 'country'>;

/** What every retailer's database holds, as the retailer sees it. */
export async function storedTotals(retailers: Iterable<Retailer>): Promise<ReadonlyMap<string, StoredTotals>> {
  const totals = await bounded(
    [...retailers],
    6,
    async ({ id, tenancy }) =>
      await tenancy.run(id, async (): Promise<StoredTotals> => {
        const [sums] = await tenancy.db
          .select({
            lines: sql<number>`count(*)::int`,
            quantity: sql<number>`coalesce(sum(${orderLines.quantity}), 0)::int`,
            revenue: sql<string>`coalesce(sum(${orderLines.quantity} * ${orderLines.unitPrice}), 0)::numeric(24, 4)::text`,
          })
          .from(orderLines);
        return { retailerId: id, ...sums!, orders: await tenancy.db.$count(orders), products: await tenancy.db.$count(products) };
      }),
  );
  return new Map(totals.map((total) => [total.retailerId, total]));
}

export interface TotalsCheck {
  readonly rows: readonly Readonly<Record<string, string | number>>[];
  readonly differences: readonly string[];
}

/** Compares each retailer's database with what it must hold; a retailer without lines in the files must hold none. */
export function checkTotals(
  retailers: Iterable<Retailer>,
  expected: ReadonlyMap<string, StoredTotals>,
  stored: ReadonlyMap<string, StoredTotals>,
): TotalsCheck {
  const differences: string[] = [];
  const rows = [...retailers].map(({ id, config, placement }) => {
    const want = expected.get(id) ?? { retailerId: id, orders: 0, lines: 0, products: 0, quantity: 0, revenue: '0.0000' };
    const have = stored.get(id);
    const found = totalsDifferences(new Map([[id, { country: id, ...want }]]), new Map(have === undefined ? [] : [[id, have]]));
    differences.push(...found);
    return {
      retailer: id,
      tier: config.tier,
      place: `${placement.clusterId}/${placement.database}`,
      orders: have?.orders ?? 0,
      lines: have?.lines ?? 0,
      products: have?.products ?? 0,
      quantity: have?.quantity ?? 0,
      revenue: have?.revenue ?? '-',
      verdict: found.length === 0 ? 'OK' : 'OFF',
    };
  });
  return { rows, differences };
}
