import type { Sql, TransactionSql } from 'postgres';
import { kindOf, orderOf, skuOf, titlePatternOf } from '../stock.ts';
import type { Subject } from '../subject.ts';

/** postgres.js with prepared statements: the tenant is whatever the caller writes, and nothing checks it. */
export function raw(sql: Sql, tenantIds: readonly string[], documents: number): Subject {
  const pointSelect = (on: Sql | TransactionSql, tenantId: string, sku: string) =>
    on`select id, sku, description, stock from products where tenant_id = ${tenantId} and sku = ${sku}`;
  const listJoin = (on: Sql | TransactionSql, tenantId: string, order: number) =>
    on`select l.line_number as line, l.quantity, p.sku, p.description, p.stock
      from order_lines l inner join products p on p.tenant_id = ${tenantId} and p.sku = l.sku
      where l.tenant_id = ${tenantId} and l.order_number = ${order} order by l.line_number`;
  const insert = (on: Sql | TransactionSql, tenantId: string, sku: string) =>
    on`insert into movements (tenant_id, sku, quantity) values (${tenantId}, ${sku}, 1) returning id`;
  const update = (on: Sql | TransactionSql, tenantId: string, sku: string, stock: number) =>
    on`update products set stock = ${stock} where tenant_id = ${tenantId} and sku = ${sku}`;
  const jsonb = (table: string, tenantId: string, turn: number) =>
    sql`select id, title from ${sql(table)} where tenant_id = ${tenantId} and attributes @> ${sql.json({ kind: kindOf(turn, documents) })}`;
  const like = (table: string, tenantId: string, turn: number) =>
    sql`select id, title from ${sql(table)} where tenant_id = ${tenantId} and title like ${titlePatternOf(turn, documents)}`;

  const several = async (tx: TransactionSql, tenantId: string, turn: number, count: number): Promise<unknown> => {
    const sku = skuOf(turn);
    const all = [
      () => pointSelect(tx, tenantId, sku),
      () => insert(tx, tenantId, sku),
      () => update(tx, tenantId, sku, turn),
      () => listJoin(tx, tenantId, orderOf(turn)),
      () => pointSelect(tx, tenantId, sku),
    ];
    let last: unknown;
    for (const statement of all.slice(0, count)) last = await statement();
    return last;
  };
  const transact = (tenantId: string, turn: number, count: number): Promise<unknown> =>
    sql.begin((tx) => several(tx, tenantId, turn, count));

  const statements = {
    'point-select': (tenantId: string, turn: number) => pointSelect(sql, tenantId, skuOf(turn)).execute(),
    'list-join': (tenantId: string, turn: number) => listJoin(sql, tenantId, orderOf(turn)).execute(),
    insert: (tenantId: string, turn: number) => insert(sql, tenantId, skuOf(turn)).execute(),
    update: (tenantId: string, turn: number) => update(sql, tenantId, skuOf(turn), turn).execute(),
  };
  return {
    name: 'raw',
    tenantIds,
    operations: {
      ...statements,
      transaction: (tenantId, turn) => transact(tenantId, turn, 5),
      'filter-jsonb': (tenantId, turn) => jsonb('documents', tenantId, turn).execute(),
      'filter-like': (tenantId, turn) => like('documents', tenantId, turn).execute(),
      'filter-jsonb-tenant-index': (tenantId, turn) => jsonb('filed_documents', tenantId, turn).execute(),
      'filter-like-tenant-index': (tenantId, turn) => like('filed_documents', tenantId, turn).execute(),
      // Always prepared; named here too so that the others' prepared statements stand beside it.
      'point-select-prepared': statements['point-select'],
      'list-join-prepared': statements['list-join'],
      'insert-prepared': statements.insert,
      'update-prepared': statements.update,
    },
    find: (tenantId, sku) => pointSelect(sql, tenantId, sku).execute(),
    transact,
    sleep: (tenantId, seconds) =>
      sql`select pg_sleep(${seconds}) as slept from products where tenant_id = ${tenantId} and sku = ${skuOf(0)}`.execute(),
    close: () => sql.end({ timeout: 5 }),
  };
}
