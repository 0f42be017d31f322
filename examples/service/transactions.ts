import type { Writable } from 'node:stream';
import type { Tenancy } from '@godseye/tenancy';
import { eq } from 'drizzle-orm';
import * as schema from './schema.ts';

const { products } = schema;

/** Takes from one product and gives to another, together or not at all. */
export async function move(tenancy: Tenancy<typeof schema>, from: string, to: string, amount: number, signal: AbortSignal): Promise<void> {
  // #region retry
  await tenancy.transaction(
    async (tx) => {
      const rows = await tx.select().from(products);
      for (const [sku, change] of [
        [from, -amount],
        [to, amount],
      ] as const) {
        const stock = (rows.find((row) => row.sku === sku)?.stock ?? 0) + change;
        await tx.update(products).set({ stock }).where(eq(products.sku, sku));
      }
    },
    { isolationLevel: 'serializable', retry: { attempts: 5 }, signal },
  );
  // #endregion retry
}

/** Writes a tenant's products as CSV, however many there are. */
export async function exportProducts(tenancy: Tenancy<typeof schema>, file: Writable): Promise<number> {
  let total = 0;
  // #region streams
  for await (const { stock } of tenancy.sql<{ stock: number }>`select stock from products where stock > ${0}`.stream()) total += stock;

  const csv = tenancy.sql`select sku, stock from products order by sku`.copyTo({ format: 'csv', header: true });
  for await (const chunk of csv) file.write(chunk);
  // #endregion streams
  return total;
}
