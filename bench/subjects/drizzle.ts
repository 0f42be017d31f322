import { drizzle as stock } from 'drizzle-orm/postgres-js';
import type { Sql } from 'postgres';
import { drizzleSubject } from '../drizzle-subject.ts';
import { createStatements, type Database } from '../statements.ts';
import type { Subject } from '../subject.ts';
import { plainTables } from '../tables.ts';
import { tenantColumnOf } from '../tenant-column.ts';

/** Stock drizzle: the caller writes the tenant's predicate, and nothing checks it. */
export function drizzle(client: Sql, tenantIds: readonly string[], documents: number): Subject {
  const db = stock(client) as unknown as Database;
  return drizzleSubject({
    name: 'drizzle',
    tenantIds,
    statements: createStatements({ tables: plainTables, tenantOf: tenantColumnOf, stamped: true, documents }),
    within: async (_tenantId, work) => await work(db),
    transaction: (_tenantId, work) => db.transaction(work),
    preparing: db,
    close: () => client.end({ timeout: 5 }),
  });
}
