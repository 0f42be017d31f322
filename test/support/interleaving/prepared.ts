import { eq, sql } from 'drizzle-orm';
import type { Face } from './platform.ts';
import { items, notes } from './schema.ts';

/** Queries that are made once, outside any scope, and run as every tenant. */
export type Prepared = ReturnType<typeof prepareQueries>;

export function prepareQueries({ db }: Face) {
  return {
    items: db.select({ id: items.id, marker: items.marker }).from(items).prepare('items'),
    item: db
      .select({ id: items.id, marker: items.marker, secret: items.secret })
      .from(items)
      .where(eq(items.id, sql.placeholder('id')))
      .prepare('item'),
    insert: db
      .insert(notes)
      .values({ key: sql.placeholder('key'), itemId: 1, marker: sql.placeholder('marker'), n: 0 })
      .returning({ marker: notes.marker })
      .prepare('insert'),
  };
}
