import { doublePrecision, integer, jsonb, text, timestamp } from 'drizzle-orm/pg-core';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';

export const patients = tenantTable(
  'patients',
  {
    id: integer('id').notNull(),
    note: text('note').notNull(),
    weight: doublePrecision('weight'),
    seen: timestamp('seen'),
    file: jsonb('file').$type<{ readonly city: string }>(),
    email: text('email'),
  },
  (t) => [tenantKey(t.id)],
);
