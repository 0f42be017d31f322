import type { Sql } from 'postgres';
import { skuOf } from '../stock.ts';
import type { Subject } from '../subject.ts';

/** postgres.js with prepared statements: the tenant is whatever the caller writes, and nothing checks it. */
export function raw(sql: Sql, tenantIds: readonly string[]): Subject {
  return {
    name: 'raw',
    tenantIds,
    operations: {
      'point-select': (tenantId, turn) =>
        sql`select id, sku, description, stock from products where tenant_id = ${tenantId} and sku = ${skuOf(turn)}`.execute(),
      insert: (tenantId, turn) => sql`insert into movements (tenant_id, sku, quantity) values (${tenantId}, ${skuOf(turn)}, 1)`.execute(),
    },
  };
}
