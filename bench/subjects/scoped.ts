import type { Tenancy } from '@godseye/tenancy';
import { eq } from 'drizzle-orm';
import { skuOf } from '../stock.ts';
import type { Subject } from '../subject.ts';
import { tenantTables } from '../tables.ts';

/** This library, one isolation at a time. Each operation opens a scope of its own, as each request of a service does. */
export function scoped(name: string, tenancy: Tenancy<typeof tenantTables>, tenantIds: readonly string[]): Subject {
  const { products, movements } = tenantTables;
  return {
    name,
    tenantIds,
    operations: {
      'point-select': (tenantId, turn) =>
        tenancy.run(tenantId, () =>
          tenancy.db
            .select({ id: products.id, sku: products.sku, description: products.description, stock: products.stock })
            .from(products)
            .where(eq(products.sku, skuOf(turn))),
        ),
      insert: (tenantId, turn) => tenancy.run(tenantId, () => tenancy.db.insert(movements).values({ sku: skuOf(turn), quantity: 1 })),
    },
  };
}
