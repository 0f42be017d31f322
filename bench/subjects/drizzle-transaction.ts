import { eq, sql } from 'drizzle-orm';
import { drizzle as stock } from 'drizzle-orm/postgres-js';
import type { Sql } from 'postgres';
import { skuOf } from '../stock.ts';
import type { Subject } from '../subject.ts';
import { plainTables } from '../tables.ts';

/** The usual way to row-level security: a transaction, `set_config`, the statement. The policies trust the setting. */
export function drizzleTransaction(client: Sql, tenantIds: readonly string[]): Subject {
  const db = stock(client);
  const { products, movements } = plainTables;
  const enter = (tenantId: string) => sql`select set_config('bench.tenant', ${tenantId}, true)`;
  return {
    name: 'drizzle-transaction',
    tenantIds,
    operations: {
      'point-select': async (tenantId, turn) =>
        await db.transaction(async (tx) => {
          await tx.execute(enter(tenantId));
          return await tx
            .select({ id: products.id, sku: products.sku, description: products.description, stock: products.stock })
            .from(products)
            .where(eq(products.sku, skuOf(turn)));
        }),
      insert: async (tenantId, turn) =>
        await db.transaction(async (tx) => {
          await tx.execute(enter(tenantId));
          await tx.insert(movements).values({ tenantId, sku: skuOf(turn), quantity: 1 });
        }),
    },
  };
}
