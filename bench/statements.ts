import { and, asc, eq, like, type Placeholder, type SQL, sql } from 'drizzle-orm';
import type { AnyPgColumn, PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import { kindOf, orderOf, skuOf, titlePatternOf } from './stock.ts';
import type { ownedTables } from './tables.ts';

/** drizzle's databases and transactions, whoever made them. */
export type Database = PgDatabase<PgQueryResultHKT, Record<string, unknown>>;

type Tables = typeof ownedTables;
type Given<T> = T | Placeholder;

/** The statements of the cases as drizzle writes them, over one set of tables. */
export interface StatementsOptions {
  readonly tables: Tables;
  /** The tenant's predicate where the caller writes it by hand: the drizzle column of each table's tenant_id. */
  readonly tenantOf?: ((table: Tables[keyof Tables]) => AnyPgColumn) | undefined;
  /** Whether inserts name the tenant. */
  readonly stamped: boolean;
  /** How many documents each tenant has. */
  readonly documents: number;
}

export type Statements = ReturnType<typeof createStatements>;

export function createStatements({ tables, tenantOf, stamped, documents }: StatementsOptions) {
  const { products, movements, orderLines } = tables;
  const mine = (table: Tables[keyof Tables], tenantId: Given<string>): SQL | undefined =>
    tenantOf === undefined ? undefined : eq(tenantOf(table), tenantId);
  const stamp = (tenantId: Given<string>): object => (stamped ? { tenantId } : {});
  const filter = (db: Database, table: Tables['documents'], tenantId: string, condition: SQL) =>
    db
      .select({ id: table.id, title: table.title })
      .from(table)
      .where(and(mine(table, tenantId), condition));

  return {
    pointSelect: (db: Database, tenantId: Given<string>, sku: Given<string>) =>
      db
        .select({ id: products.id, sku: products.sku, description: products.description, stock: products.stock })
        .from(products)
        .where(and(mine(products, tenantId), eq(products.sku, sku))),

    listJoin: (db: Database, tenantId: Given<string>, order: Given<number>) =>
      db
        .select({
          line: orderLines.lineNumber,
          quantity: orderLines.quantity,
          sku: products.sku,
          description: products.description,
          stock: products.stock,
        })
        .from(orderLines)
        .innerJoin(products, and(mine(products, tenantId), eq(products.sku, orderLines.sku)))
        .where(and(mine(orderLines, tenantId), eq(orderLines.orderNumber, order)))
        .orderBy(asc(orderLines.lineNumber)),

    insert: (db: Database, tenantId: Given<string>, sku: Given<string>) =>
      db
        .insert(movements)
        .values({ ...stamp(tenantId), sku, quantity: 1 })
        .returning({ id: movements.id }),

    update: (db: Database, tenantId: Given<string>, sku: Given<string>, stock: Given<number>) =>
      db
        .update(products)
        // A value of its own would need a number now, where a prepared statement has a placeholder.
        .set({ stock: sql`${stock}::integer` })
        .where(and(mine(products, tenantId), eq(products.sku, sku))),

    jsonb: (db: Database, kind: 'documents' | 'filedDocuments', tenantId: string, turn: number) => {
      const table = tables[kind];
      return filter(db, table, tenantId, sql`${table.attributes} @> ${JSON.stringify({ kind: kindOf(turn, documents) })}::jsonb`);
    },

    like: (db: Database, kind: 'documents' | 'filedDocuments', tenantId: string, turn: number) =>
      filter(db, tables[kind], tenantId, like(tables[kind].title, titlePatternOf(turn, documents))),

    sleep: (db: Database, tenantId: string, seconds: number) =>
      db
        .select({ slept: sql`pg_sleep(${seconds})` })
        .from(products)
        .where(and(mine(products, tenantId), eq(products.sku, skuOf(0)))),

    /** The first so many of five statements, each awaited before the next; answers the last one's rows. */
    async several(db: Database, tenantId: string, turn: number, count: number): Promise<unknown> {
      const sku = skuOf(turn);
      const all = [
        () => this.pointSelect(db, tenantId, sku),
        () => this.insert(db, tenantId, sku),
        () => this.update(db, tenantId, sku, turn),
        () => this.listJoin(db, tenantId, orderOf(turn)),
        () => this.pointSelect(db, tenantId, sku),
      ];
      let last: unknown;
      for (const statement of all.slice(0, count)) last = await statement();
      return last;
    },
  };
}
