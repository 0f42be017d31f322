import { integer, text } from 'drizzle-orm/pg-core';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';

/** What tenants write; no key keeps a name from being there twice. */
export const entries = tenantTable(
  'entries',
  { n: integer('n').notNull().generatedAlwaysAsIdentity(), name: text('name').notNull() },
  (t) => [tenantKey(t.n)],
);
