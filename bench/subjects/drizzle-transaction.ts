import { sql } from 'drizzle-orm';
import { drizzle as stock } from 'drizzle-orm/postgres-js';
import type { Sql } from 'postgres';
import { drizzleSubject } from '../drizzle-subject.ts';
import { createStatements, type Database } from '../statements.ts';
import type { Subject } from '../subject.ts';
import { plainTables } from '../tables.ts';

/** The usual way to row-level security: a transaction, `set_config`, the statement. The policies trust the setting. */
export function drizzleTransaction(client: Sql, tenantIds: readonly string[], documents: number): Subject {
  const db = stock(client) as unknown as Database;
  const inTransaction = <T>(tenantId: string, work: (tx: Database) => PromiseLike<T>): Promise<T> =>
    db.transaction(async (tx) => {
      await tx.execute(sql`select set_config('bench.tenant', ${tenantId}, true)`);
      return await work(tx);
    });
  return drizzleSubject({
    name: 'drizzle-transaction',
    tenantIds,
    statements: createStatements({ tables: plainTables, stamped: true, documents }),
    within: inTransaction,
    transaction: inTransaction,
    close: () => client.end({ timeout: 5 }),
  });
}
