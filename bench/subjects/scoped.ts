import type { Tenancy } from '@godseye/tenancy';
import { drizzleSubject } from '../drizzle-subject.ts';
import { createStatements, type Database } from '../statements.ts';
import type { Subject } from '../subject.ts';
import type { ownedTables, tenantTables } from '../tables.ts';

function nothing(): void {}

/** This library, one isolation at a time. Each operation opens a scope of its own, as each request of a service does. */
export function scoped(
  name: string,
  tenancy: Tenancy<typeof tenantTables>,
  tables: typeof tenantTables,
  tenantIds: readonly string[],
  documents: number,
): Subject {
  const db = tenancy.db as unknown as Database;
  return drizzleSubject({
    name,
    tenantIds,
    statements: createStatements({ tables: tables as unknown as typeof ownedTables, stamped: false, documents }),
    within: (tenantId, work) => tenancy.run(tenantId, () => work(db)),
    transaction: (tenantId, work) => tenancy.run(tenantId, () => db.transaction(work)),
    preparing: db,
    enter: (tenantId) => tenancy.run(tenantId, nothing),
    close: () => tenancy.close(),
  });
}
