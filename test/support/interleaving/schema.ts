import { relations } from 'drizzle-orm';
import { integer, text } from 'drizzle-orm/pg-core';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantForeignKey } from '../../../src/database/tenant-foreign-key.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';

/** Rows that never change; every tenant has the same ids, and its own id as the marker. */
export const items = tenantTable(
  'items',
  { id: integer('id').notNull(), marker: text('marker').notNull(), secret: encryptedText('secret') },
  (t) => [tenantKey(t.id)],
);

/** What programs write. */
export const notes = tenantTable(
  'notes',
  {
    key: text('key').notNull(),
    itemId: integer('item_id').notNull(),
    marker: text('marker').notNull(),
    n: integer('n').notNull(),
  },
  (t) => [tenantKey(t.key), tenantForeignKey({ columns: [t.itemId], foreignColumns: [items.id] })],
);

export const itemRelations = relations(items, ({ many }) => ({ notes: many(notes) }));
export const noteRelations = relations(notes, ({ one }) => ({
  item: one(items, { fields: [notes.tenantId, notes.itemId], references: [items.tenantId, items.id] }),
}));
