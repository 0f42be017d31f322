import {
  and,
  asc,
  type Column,
  count,
  desc,
  eq,
  exists,
  getTableColumns,
  gt,
  inArray,
  isNull,
  type Name,
  not,
  or,
  type SQL,
  StringChunk,
  sql,
} from 'drizzle-orm';
import { alias, type PgTable } from 'drizzle-orm/pg-core';
import { EncryptedColumn } from '../../src/database/encrypted-column.ts';
import type { ScopedPgDatabase } from '../../src/database/scoped-database.ts';
import { TenantIdColumn } from '../../src/database/tenant-id-column.ts';
import { archive, currencies, orders, products, type schema, suppliers } from '../integration/database/sample-schema.ts';
import type { Decisions } from './decisions.ts';

type Db = ScopedPgDatabase<typeof schema>;
// Random queries are beyond drizzle's types.
type Any = ReturnType<typeof JSON.parse>;

const tables: readonly PgTable[] = [products, orders, archive, suppliers, currencies];
const texts = ['a', 'b', "it's", '', 'alpha', 'beta'];

/** Builds the query that the decisions say; the same ones build the same query. */
export function randomQuery(db: Db, d: Decisions): PromiseLike<unknown> {
  switch (d.pick('statement', 10)) {
    case 0:
      return insert(db, d);
    case 1:
      return update(db, d);
    case 2:
      return remove(db, d);
    case 3:
      return relational(db, d);
    default:
      return select(db, d, 's', 0) as PromiseLike<unknown>;
  }
}

function source(d: Decisions, at: string): PgTable {
  const table = d.of(`${at}.table`, tables);
  return d.yes(`${at}.aliased`, 3) ? alias(table, d.of(`${at}.alias`, ['x', 'y'])) : table;
}

function columnOf(d: Decisions, at: string, table: PgTable): Column {
  const columns = Object.values(getTableColumns(table)) as Column[];
  // Encrypted ones are refused nearly everywhere; they come often enough.
  return columns[d.pick(`${at}.column`, columns.length)]!;
}

function valueFor(d: Decisions, column: Column): unknown {
  if (d.value(12) === 0) return null;
  switch (column.dataType) {
    case 'number':
      return d.value(3);
    case 'boolean':
      return d.value(2) === 0;
    case 'date':
      return new Date(d.value(2) * 1_000);
    case 'json':
      return { colour: texts[d.value(3)] };
    case 'array':
      return [texts[d.value(3)]];
    default:
      if (column instanceof EncryptedColumn && column.name === 'logo') return Buffer.from(texts[d.value(3)]!);
      if (column instanceof TenantIdColumn) return ['alpha', 'beta', 'alpha', 'nobody at all'][d.value(4)];
      return texts[d.value(texts.length)];
  }
}

function condition(db: Db, d: Decisions, at: string, table: PgTable, depth: number): SQL {
  const column = columnOf(d, at, table);
  switch (d.pick(`${at}.is`, 16)) {
    case 0:
      return isNull(column);
    case 1:
      return inArray(column, Array.from({ length: 1 + d.pick(`${at}.length`, 3) }, () => valueFor(d, column)) as never);
    case 2:
      return sql`${column} ${sql.raw(d.of(`${at}.operator`, ['=', '<>', 'is not distinct from']))} ${d.value(3)}`;
    case 3:
      return sql`${d.value(3)} = ${named(d.yes(`${at}.quoted`), d.of(`${at}.name`, ['id', 'sku']))}`;
    case 4:
      return sql`${column} in ${[d.value(3), d.value(3)]}`;
    case 5:
      if (depth < 2) return exists(select(db, d, `${at}.exists`, depth + 1) as never);
      return sql`${sql.param(d.value(3), d.of(`${at}.encoder`, [products.price, suppliers.iban, archive.tenantId] as const))} is not null`;
    case 6:
      if (depth < 2) return inArray(column, select(db, d, `${at}.in`, depth + 1) as never);
      return sql`exists (select 1 from ${d.of(`${at}.from`, tables)})`;
    case 7:
      return sql`row_to_json(${d.of(`${at}.row`, tables)}) is not null`;
    case 8:
      return sql`${sql`${column}`} = ${sql.param(valueFor(d, column), column)}`;
    case 9:
      return sql`${column} is null or ${d.value(2)} = ${undefined}${d.value(2)}`;
    case 10:
      return gt(column, valueFor(d, column));
    case 11:
      if (depth < 3) return not(condition(db, d, `${at}.not`, table, depth + 1));
      return sql`true`;
    case 12:
    case 13: {
      if (depth > 2) return sql`false`;
      const parts = Array.from({ length: 1 + d.pick(`${at}.parts`, 3) }, (_, i) => condition(db, d, `${at}.${i}`, table, depth + 1));
      return (d.yes(`${at}.and`) ? and(...parts) : or(...parts))!;
    }
    default:
      return eq(column, valueFor(d, column) as never);
  }
}

function named(quoted: boolean, name: string): Name | StringChunk {
  return quoted ? sql.identifier(name) : new StringChunk(name);
}

/** An expression as a field; a few are encrypted columns, which only decide when the row is mapped. */
function field(d: Decisions, at: string, table: PgTable): unknown {
  switch (d.pick(`${at}.field`, 8)) {
    case 0:
      return sql`${columnOf(d, at, table)}`.as(d.of(`${at}.as`, ['one', 'two']));
    case 1: {
      const expression = sql`${d.value(3)}::int + 1`;
      return d.yes(`${at}.mapped`) ? expression.mapWith((value) => `mapped ${value}`) : expression;
    }
    case 2:
      return count();
    case 3:
      return { inner: columnOf(d, `${at}.inner`, table), ...(d.yes(`${at}.deeper`) && { deeper: columnOf(d, `${at}.deep`, table) }) };
    case 4:
      return d.yes(`${at}.whole`) ? table : columnOf(d, at, table);
    default:
      return columnOf(d, at, table);
  }
}

function fields(d: Decisions, at: string, table: PgTable): Record<string, unknown> {
  const keys = ['a', 'b', 'constructor', 'it"s'];
  if (d.yes(`${at}.grouped`, 8)) {
    const [one, two] = [{ inner: columnOf(d, `${at}.one`, table) }, { b: columnOf(d, `${at}.two`, table) }];
    return d.yes(`${at}.apart`) ? { a: one, ...two } : { a: { ...one, ...two } };
  }
  const first = d.pick(`${at}.first`, keys.length);
  return Object.fromEntries(
    Array.from({ length: 1 + d.pick(`${at}.fields`, 3) }, (_, i) => [keys[(first + i) % keys.length]!, field(d, `${at}.${i}`, table)]),
  );
}

function select(db: Db, d: Decisions, at: string, depth: number): unknown {
  const table = source(d, at);
  const chosen = d.yes(`${at}.all`, 3) ? undefined : fields(d, at, table);
  let start: Any = db;
  let from: unknown = table;
  if (depth < 2 && d.yes(`${at}.nested`, 6)) {
    const inner = db.select({ id: getTableColumns(table)['id'] ?? columnOf(d, at, table) } as never).from(table as never);
    const limited = d.yes(`${at}.inner limit`) ? inner.limit(d.value(5)) : inner;
    const name = d.of(`${at}.name`, ['q', 'r']);
    if (d.yes(`${at}.cte`)) {
      from = db.$with(name).as(limited as never);
      start = db.with(from as never);
    } else {
      from = (limited as Any).as(name);
    }
    return (start as Any).select(d.yes(`${at}.counted`) ? { n: count() } : undefined).from(from);
  }
  const distinct = d.pick(`${at}.distinct`, 8);
  let query: Any;
  if (distinct === 0) query = start.selectDistinct(chosen).from(table);
  else if (distinct === 1) query = start.selectDistinctOn([columnOf(d, `${at}.on`, table)], chosen).from(table);
  else query = start.select(chosen).from(table);
  for (let i = 0; i < d.pick(`${at}.joins`, 3); i += 1) {
    const joined = alias(d.of(`${at}.join.${i}`, tables), d.of(`${at}.join.${i}.alias`, [`j${i}`, `k${i}`]));
    const type = d.of(`${at}.join.${i}.type`, ['innerJoin', 'leftJoin', 'rightJoin', 'fullJoin', 'crossJoin']);
    query = type === 'crossJoin' ? query.crossJoin(joined) : query[type](joined, condition(db, d, `${at}.join.${i}`, joined, 2));
  }
  if (d.yes(`${at}.where`)) query = query.where(condition(db, d, `${at}.where`, table, depth));
  if (d.yes(`${at}.group`, 6)) query = query.groupBy(columnOf(d, `${at}.group`, table)).having(condition(db, d, `${at}.having`, table, 3));
  if (d.yes(`${at}.order`, 3)) {
    const order = d.of(`${at}.direction`, [asc, desc, (column: Column) => column]);
    query = query.orderBy(order(columnOf(d, `${at}.order`, table)));
  }
  if (d.yes(`${at}.limit`, 3)) query = query.limit(d.of(`${at}.limited`, [d.value(9), d.value(9) + 1, -1]));
  if (d.yes(`${at}.offset`, 4)) query = query.offset(d.of(`${at}.skipped`, [d.value(9) + 1, d.value(9) + 1, 0]));
  if (d.yes(`${at}.lock`, 6)) {
    const strength = d.of(`${at}.strength`, ['update', 'share', 'key share']);
    const of = d.yes(`${at}.of`) && { of: table };
    query = query.for(strength, { ...of, ...d.of(`${at}.wait`, [{}, { noWait: true }, { skipLocked: true }]) });
  }
  return query;
}

const writable: readonly PgTable[] = [products, orders, archive, suppliers];

function row(d: Decisions, at: string, table: PgTable): Record<string, unknown> {
  const cells = Object.entries(getTableColumns(table)).flatMap(([key, column]) => {
    const sparse = column instanceof TenantIdColumn ? 8 : 3;
    switch (d.pick(`${at}.${key}`, sparse + 2)) {
      case 0:
        return [[key, valueFor(d, column)]];
      case 1:
        return column.dataType === 'number' ? [[key, sql`${d.value(3)} + 1`]] : [[key, valueFor(d, column)]];
      case 2:
        return [[key, undefined]];
      default:
        return [];
    }
  });
  return Object.fromEntries(cells);
}

function returning(d: Decisions, query: Any, table: PgTable): PromiseLike<unknown> {
  const how = d.pick('returning', 3);
  if (how === 0) return query;
  return how === 1 ? query.returning() : query.returning(fields(d, 'returning', table));
}

function insert(db: Db, d: Decisions): PromiseLike<unknown> {
  const table = d.of('into', writable);
  let query: Any = db.insert(table).values(Array.from({ length: 1 + d.pick('rows', 3) }, (_, i) => row(d, `row.${i}`, table)) as never);
  const target = getTableColumns(table)['id'];
  const on = d.pick('conflict', 5);
  if (on === 0) query = query.onConflictDoNothing();
  if (on === 1) query = query.onConflictDoNothing({ target });
  if (on === 2) query = query.onConflictDoUpdate({ target, set: { [d.of('conflict.set', ['id', 'owner'])]: d.value(3) } });
  return returning(d, query, table);
}

function update(db: Db, d: Decisions): PromiseLike<unknown> {
  const table = d.yes('update.aliased', 3) ? alias(d.of('update', writable), 'u') : d.of('update', writable);
  let query: Any = db.update(table).set({ id: d.value(3), ...row(d, 'set', table) } as never);
  if (d.yes('update.where')) query = query.where(condition(db, d, 'update.where', table, 1));
  return returning(d, query, table);
}

function remove(db: Db, d: Decisions): PromiseLike<unknown> {
  const table = d.of('delete', writable);
  let query: Any = db.delete(table);
  if (d.yes('delete.where')) query = query.where(condition(db, d, 'delete.where', table, 1));
  return returning(d, query, table);
}

function relational(db: Db, d: Decisions): PromiseLike<unknown> {
  const columns = d.of('columns', [undefined, { id: true, sku: true }, { tags: false }] as const);
  return db.query.products.findMany({
    ...(columns && { columns }),
    ...(d.yes('where') && { where: eq(products.sku, texts[d.value(3)]!) }),
    ...(d.yes('limit') && { limit: d.value(5) }),
    ...(d.yes('order') && { orderBy: desc(products.id) }),
    with: {
      ...(d.yes('orders') && { orders: { limit: d.value(5), where: gt(orders.quantity, d.value(5)) } }),
      ...(d.yes('suppliers') && { suppliers: true as const }),
    },
  } as never) as never;
}
