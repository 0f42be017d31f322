import { and, eq } from 'drizzle-orm';
import { drizzle as stock } from 'drizzle-orm/postgres-js';
import type { Sql } from 'postgres';
import { skuOf } from '../stock.ts';
import type { Subject } from '../subject.ts';
import { plainTables } from '../tables.ts';

/** Stock drizzle: the caller writes the tenant's predicate, and nothing checks it. */
export function drizzle(sql: Sql, tenantIds: readonly string[]): Subject {
  const db = stock(sql);
  const { products, movements } = plainTables;
  return {
    name: 'drizzle',
    tenantIds,
    operations: {
      'point-select': async (tenantId, turn) =>
        await db
          .select({ id: products.id, sku: products.sku, description: products.description, stock: products.stock })
          .from(products)
          .where(and(eq(products.tenantId, tenantId), eq(products.sku, skuOf(turn)))),
      insert: async (tenantId, turn) => await db.insert(movements).values({ tenantId, sku: skuOf(turn), quantity: 1 }),
    },
  };
}
