import { createTenantManager } from 'drizzle-multitenant';
import { drizzleSubject } from '../drizzle-subject.ts';
import { schemaOf } from '../plain-database.ts';
import { createStatements, type Database } from '../statements.ts';
import type { Subject } from '../subject.ts';
import { ownedTables } from '../tables.ts';

/** The npm package of that name, its own way: a schema and a pool for each tenant, found by search_path; nothing is checked. */
export function drizzleMultitenant(url: string, tenantIds: readonly string[], connections: number, documents: number): Subject {
  const manager = createTenantManager({
    // Its limit is one for each tenant; everything else is what it does unless told.
    connection: { url, poolConfig: { max: Math.floor(connections / tenantIds.length) || 1 } },
    isolation: { strategy: 'schema', schemaNameTemplate: schemaOf },
    schemas: { tenant: ownedTables },
  });
  const database = (tenantId: string): Database => manager.getDb(tenantId) as unknown as Database;
  return drizzleSubject({
    name: 'drizzle-multitenant',
    tenantIds,
    statements: createStatements({ tables: ownedTables, stamped: false, documents }),
    within: async (tenantId, work) => await work(database(tenantId)),
    transaction: (tenantId, work) => database(tenantId).transaction(work),
    close: () => manager.dispose(),
  });
}
