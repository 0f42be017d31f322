import { sql } from 'drizzle-orm';
import type { Operated } from './case.ts';
import type { Database, Statements } from './statements.ts';
import { orderOf, skuOf } from './stock.ts';
import type { Operation, Subject } from './subject.ts';

/** What tells one way of using drizzle from another. */
export interface DrizzleWay {
  readonly name: string;
  readonly tenantIds: readonly string[];
  readonly statements: Statements;
  /** Runs work with the database that is to be used for a tenant. */
  readonly within: <T>(tenantId: string, work: (db: Database) => PromiseLike<T>) => Promise<T>;
  /** Runs work in one transaction of a tenant. */
  readonly transaction: <T>(tenantId: string, work: (tx: Database) => Promise<T>) => Promise<T>;
  /** Where statements are prepared, for the ways that do. */
  readonly preparing?: Database | undefined;
  readonly enter?: Subject['enter'];
  readonly close: () => Promise<void>;
}

/** A subject that asks through drizzle's builders: the same ones, whichever way. */
export function drizzleSubject(way: DrizzleWay): Subject {
  const { statements, within } = way;
  const transact = (tenantId: string, turn: number, count: number): Promise<unknown> =>
    way.transaction(tenantId, (tx) => statements.several(tx, tenantId, turn, count));
  return {
    name: way.name,
    tenantIds: way.tenantIds,
    operations: {
      'point-select': (tenantId, turn) => within(tenantId, (db) => statements.pointSelect(db, tenantId, skuOf(turn))),
      'list-join': (tenantId, turn) => within(tenantId, (db) => statements.listJoin(db, tenantId, orderOf(turn))),
      insert: (tenantId, turn) => within(tenantId, (db) => statements.insert(db, tenantId, skuOf(turn))),
      update: (tenantId, turn) => within(tenantId, (db) => statements.update(db, tenantId, skuOf(turn), turn)),
      transaction: (tenantId, turn) => transact(tenantId, turn, 5),
      'filter-jsonb': (tenantId, turn) => within(tenantId, (db) => statements.jsonb(db, 'documents', tenantId, turn)),
      'filter-like': (tenantId, turn) => within(tenantId, (db) => statements.like(db, 'documents', tenantId, turn)),
      'filter-jsonb-tenant-index': (tenantId, turn) => within(tenantId, (db) => statements.jsonb(db, 'filedDocuments', tenantId, turn)),
      'filter-like-tenant-index': (tenantId, turn) => within(tenantId, (db) => statements.like(db, 'filedDocuments', tenantId, turn)),
      ...(way.preparing === undefined ? {} : prepared(way, way.preparing)),
    },
    find: (tenantId, sku) => within(tenantId, (db) => statements.pointSelect(db, tenantId, sku)),
    transact,
    sleep: (tenantId, seconds) => within(tenantId, (db) => statements.sleep(db, tenantId, seconds)),
    enter: way.enter,
    close: way.close,
  };
}

function prepared({ statements, within }: DrizzleWay, db: Database): Partial<Record<Operated, Operation>> {
  const tenantId = sql.placeholder('tenantId');
  const sku = sql.placeholder('sku');
  const pointSelect = statements.pointSelect(db, tenantId, sku).prepare('bench_point_select');
  const listJoin = statements.listJoin(db, tenantId, sql.placeholder('order')).prepare('bench_list_join');
  const insert = statements.insert(db, tenantId, sku).prepare('bench_insert');
  const update = statements.update(db, tenantId, sku, sql.placeholder('stock')).prepare('bench_update');
  // `within` is for its scope; what was prepared knows its database.
  return {
    'point-select-prepared': (id, turn) => within(id, () => pointSelect.execute({ tenantId: id, sku: skuOf(turn) })),
    'list-join-prepared': (id, turn) => within(id, () => listJoin.execute({ tenantId: id, order: orderOf(turn) })),
    'insert-prepared': (id, turn) => within(id, () => insert.execute({ tenantId: id, sku: skuOf(turn) })),
    'update-prepared': (id, turn) => within(id, () => update.execute({ tenantId: id, sku: skuOf(turn), stock: turn })),
  };
}
