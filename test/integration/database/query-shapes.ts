import {
  and,
  asc,
  avg,
  between,
  count,
  desc,
  eq,
  exists,
  getTableColumns,
  gt,
  gte,
  ilike,
  inArray,
  isNotNull,
  isNull,
  like,
  lt,
  max,
  ne,
  not,
  notExists,
  notInArray,
  or,
  sql,
  sum,
} from 'drizzle-orm';
import { alias, except, exceptAll, intersect, intersectAll, type PgSelect, QueryBuilder, union, unionAll } from 'drizzle-orm/pg-core';
import { archive, currencies, notes, orders, products, stock } from './sample-schema.ts';
import type { StockDatabase } from './sample-world.ts';

type Shape = (db: StockDatabase) => PromiseLike<unknown>;

const other = alias(products, 'other');
const parents = alias(orders, 'parents');
const shelves = alias(stock, 'shelves');

function page<T extends PgSelect>(select: T, size: number, at: number) {
  return select.limit(size).offset(size * at);
}

/** Hand-written reads of every shape that drizzle's builders can make; ordered, so that answers can be compared. */
export const readShapes: Record<string, Shape> = {
  'all columns': (db) => db.select().from(products).orderBy(products.id),
  'some columns': (db) => db.select({ id: products.id, owner: products.owner }).from(products).orderBy(products.id),
  'where eq': (db) => db.select().from(products).where(eq(products.sku, 'apple')),
  'where or at the top': (db) =>
    db
      .select()
      .from(products)
      .where(or(eq(products.id, 1), eq(products.id, 2)))
      .orderBy(products.id),
  'where raw or': (db) => db.select().from(products).where(sql`${products.id} = 1 or true`).orderBy(products.id),
  'where not': (db) =>
    db
      .select()
      .from(products)
      .where(not(eq(products.sku, 'apple')))
      .orderBy(products.id),
  'where inArray': (db) =>
    db
      .select()
      .from(products)
      .where(inArray(products.sku, ['apple', 'only-c']))
      .orderBy(products.id),
  'where notInArray': (db) =>
    db
      .select()
      .from(products)
      .where(notInArray(products.id, [1]))
      .orderBy(products.id),
  'where between and like': (db) =>
    db
      .select()
      .from(products)
      .where(and(between(products.price, 11, 40), like(products.sku, 'p%')))
      .orderBy(products.id),
  'where ilike and ne': (db) =>
    db
      .select()
      .from(products)
      .where(and(ilike(products.sku, 'P%'), ne(products.price, 20)))
      .orderBy(products.id),
  'where isNull': (db) => db.select().from(orders).where(isNull(orders.productId)).orderBy(orders.id),
  'limit and offset': (db) => db.select().from(products).orderBy(desc(products.id)).limit(1).offset(1),
  distinct: (db) => db.selectDistinct({ owner: products.owner, currency: products.currency }).from(products).orderBy(products.owner),
  'distinct on': (db) =>
    db
      .selectDistinctOn([orders.productId], { productId: orders.productId, owner: orders.owner, id: orders.id })
      .from(orders)
      .orderBy(orders.productId, orders.id),
  'group by': (db) =>
    db
      .select({ productId: orders.productId, n: count(), total: sum(orders.quantity) })
      .from(orders)
      .groupBy(orders.productId)
      .orderBy(orders.productId),
  having: (db) =>
    db
      .select({ productId: orders.productId, n: count() })
      .from(orders)
      .groupBy(orders.productId)
      .having(({ n }) => gt(n, 1))
      .orderBy(orders.productId),
  aggregates: (db) => db.select({ n: count(), most: max(products.price), mean: avg(products.price) }).from(products),
  expressions: (db) =>
    db
      .select({ upper: sql<string>`upper(${products.owner})`.as('upper'), double: sql<number>`${products.price} * 2` })
      .from(products)
      .orderBy(products.id),
  'inner join': (db) => db.select().from(orders).innerJoin(products, eq(orders.productId, products.id)).orderBy(orders.id),
  'left join': (db) => db.select().from(products).leftJoin(orders, eq(orders.productId, products.id)).orderBy(products.id, orders.id),
  'left join of what only others have': (db) => db.select().from(orders).leftJoin(products, eq(products.id, 4)).orderBy(orders.id),
  'right join': (db) => db.select().from(orders).rightJoin(products, eq(orders.productId, products.id)).orderBy(products.id, orders.id),
  'full join': (db) => db.select().from(orders).fullJoin(products, eq(orders.productId, products.id)).orderBy(products.id, orders.id),
  'full join on a number': (db) =>
    db.select().from(products).fullJoin(orders, eq(orders.quantity, products.price)).orderBy(products.id, orders.id),
  'cross join': (db) =>
    db.select({ p: products.id, o: orders.id, owner: orders.owner }).from(products).crossJoin(orders).orderBy(products.id, orders.id),
  'left then inner join': (db) =>
    db
      .select({ o: orders.id, p: products.owner, a: archive.owner })
      .from(orders)
      .leftJoin(products, eq(orders.productId, products.id))
      .innerJoin(archive, eq(archive.owner, orders.owner))
      .orderBy(orders.id, archive.id),
  'left then right join': (db) =>
    db
      .select({ o: orders.id, p: products.id, a: archive.id })
      .from(orders)
      .leftJoin(products, eq(orders.productId, products.id))
      .rightJoin(archive, eq(archive.sku, products.sku))
      .orderBy(archive.id, orders.id),
  'join on with or': (db) =>
    db
      .select({ o: orders.id, p: products.id, owner: products.owner })
      .from(orders)
      .innerJoin(products, sql`${orders.productId} = ${products.id} or true`)
      .orderBy(orders.id, products.id),
  'self join': (db) =>
    db
      .select({ id: orders.id, parent: parents.id, owner: parents.owner })
      .from(orders)
      .innerJoin(parents, eq(orders.parentId, parents.id))
      .orderBy(orders.id, parents.id),
  'self left join': (db) => db.select().from(orders).leftJoin(parents, eq(orders.parentId, parents.id)).orderBy(orders.id, parents.id),
  'aliased table': (db) => db.select().from(other).where(eq(other.sku, 'apple')),
  'aliased right join': (db) =>
    db
      .select({ p: products.id, o: other.id, owner: other.owner })
      .from(products)
      .rightJoin(other, eq(other.price, products.price))
      .orderBy(other.id, products.id),
  'reference table': (db) => db.select().from(currencies).orderBy(currencies.code),
  'join with a reference table': (db) =>
    db
      .select({ id: products.id, label: currencies.label })
      .from(products)
      .innerJoin(currencies, eq(currencies.code, products.currency))
      .orderBy(products.id),
  'reference table left joined': (db) =>
    db
      .select({ code: currencies.code, id: products.id, owner: products.owner })
      .from(currencies)
      .leftJoin(products, eq(currencies.code, products.currency))
      .orderBy(currencies.code, products.id),
  'reference table full joined': (db) =>
    db
      .select({ code: currencies.code, id: products.id })
      .from(products)
      .fullJoin(currencies, eq(currencies.code, products.currency))
      .orderBy(currencies.code, products.id),
  'subquery in from': (db) => {
    const cheap = db
      .select({ id: products.id, owner: products.owner, price: products.price })
      .from(products)
      .where(lt(products.price, 25))
      .as('cheap');
    return db.select().from(cheap).where(gt(cheap.price, 9)).orderBy(cheap.id);
  },
  'subquery joined': (db) => {
    const totals = db
      .select({ productId: orders.productId, total: sum(orders.quantity).as('total') })
      .from(orders)
      .groupBy(orders.productId)
      .as('totals');
    return db
      .select({ id: products.id, total: totals.total })
      .from(products)
      .leftJoin(totals, eq(totals.productId, products.id))
      .orderBy(products.id);
  },
  'lateral join': (db) => {
    const last = db
      .select({ id: orders.id, owner: orders.owner })
      .from(orders)
      .where(eq(orders.productId, products.id))
      .orderBy(desc(orders.id))
      .limit(1)
      .as('last');
    return db
      .select({ id: products.id, order: last.id, owner: last.owner })
      .from(products)
      .leftJoinLateral(last, sql`true`)
      .orderBy(products.id);
  },
  'inner lateral join': (db) => {
    const biggest = db
      .select({ id: orders.id, owner: orders.owner })
      .from(orders)
      .where(eq(orders.productId, products.id))
      .orderBy(desc(orders.quantity), orders.id)
      .limit(1)
      .as('biggest');
    return db.select().from(products).innerJoinLateral(biggest, sql`true`).orderBy(products.id);
  },
  'cross lateral join': (db) => {
    const mine = db
      .select({ n: count().as('n') })
      .from(orders)
      .where(eq(orders.productId, products.id))
      .as('mine');
    return db.select({ id: products.id, n: mine.n }).from(products).crossJoinLateral(mine).orderBy(products.id);
  },
  'lateral join beside a full join': (db) => {
    const n = db
      .select({ n: count().as('n') })
      .from(orders)
      .where(eq(orders.quantity, archive.id))
      .as('n');
    return db
      .select({ p: products.id, a: archive.id, n: n.n })
      .from(products)
      .fullJoin(archive, eq(archive.id, products.id))
      .leftJoinLateral(n, sql`true`)
      .orderBy(products.id, archive.id);
  },
  'full joins of three': (db) =>
    db
      .select()
      .from(products)
      .fullJoin(archive, eq(archive.id, products.id))
      .fullJoin(orders, eq(orders.quantity, archive.id))
      .orderBy(products.id, archive.id, orders.id),
  'right then cross join': (db) =>
    db
      .select({ o: orders.id, p: products.id, a: archive.owner })
      .from(orders)
      .rightJoin(products, eq(orders.productId, products.id))
      .crossJoin(archive)
      .orderBy(products.id, orders.id, archive.id),
  'nested fields of a left join': (db) =>
    db
      .select({ order: { id: orders.id, owner: orders.owner }, product: getTableColumns(products), whole: products })
      .from(orders)
      .leftJoin(products, eq(orders.productId, products.id))
      .orderBy(orders.id),
  'join of raw SQL': (db) =>
    db
      .select({ id: archive.id, owner: sql<string>`p.owner` })
      .from(archive)
      .innerJoin(sql`${products} p`, sql`p.sku = ${archive.sku}`)
      .orderBy(archive.id),
  'subquery as a field': (db) => {
    const n = db
      .select({ n: count().as('n') })
      .from(orders)
      .where(eq(orders.productId, products.id))
      .as('n');
    return db.select({ id: products.id, n }).from(products).orderBy(products.id);
  },
  'scalar subquery': (db) => {
    const n = db
      .select({ n: count().as('n') })
      .from(orders)
      .where(eq(orders.productId, products.id));
    return db
      .select({ id: products.id, n: sql<string>`${n}` })
      .from(products)
      .orderBy(products.id);
  },
  exists: (db) =>
    db
      .select()
      .from(products)
      .where(exists(db.select({ one: sql`1` }).from(orders).where(eq(orders.productId, products.id))))
      .orderBy(products.id),
  'not exists': (db) =>
    db
      .select()
      .from(products)
      .where(notExists(db.select({ one: sql`1` }).from(orders).where(eq(orders.productId, products.id))))
      .orderBy(products.id),
  'in subquery': (db) =>
    db
      .select()
      .from(archive)
      .where(inArray(archive.sku, db.select({ sku: products.sku }).from(products).where(gt(products.price, 9))))
      .orderBy(archive.id),
  'not in subquery': (db) =>
    db
      .select()
      .from(products)
      .where(notInArray(products.sku, db.select({ sku: archive.sku }).from(archive)))
      .orderBy(products.id),
  'in subquery of a standalone builder': (db) =>
    db
      .select()
      .from(archive)
      .where(
        inArray(archive.sku, new QueryBuilder().select({ sku: other.sku }).from(other).innerJoin(orders, eq(orders.productId, other.id))),
      )
      .orderBy(archive.id),
  cte: (db) => {
    const dear = db.$with('dear').as(db.select().from(products).where(gte(products.price, 20)));
    return db.with(dear).select().from(dear).orderBy(dear.id);
  },
  'cte by callback': (db) => {
    const dear = db.$with('dear').as((qb) => qb.select({ id: products.id, owner: products.owner }).from(products));
    return db
      .with(dear)
      .select({ id: dear.id, order: orders.id, owner: dear.owner })
      .from(dear)
      .innerJoin(orders, eq(orders.productId, dear.id))
      .orderBy(dear.id, orders.id);
  },
  'two ctes': (db) => {
    const a = db.$with('a').as(db.select({ id: products.id }).from(products));
    const b = db.$with('b').as(db.select({ productId: orders.productId, owner: orders.owner }).from(orders));
    return db.with(a, b).select({ id: a.id, owner: b.owner }).from(a).leftJoin(b, eq(b.productId, a.id)).orderBy(a.id);
  },
  'cte with the name of a table': (db) => {
    const shadow = db.$with('orders').as(db.select({ id: products.id, owner: products.owner }).from(products));
    return db.with(shadow).select().from(shadow).orderBy(shadow.id);
  },
  'cte of a standalone builder': (db) => {
    const all = db.$with('all_products').as(new QueryBuilder().select({ id: products.id, owner: products.owner }).from(products));
    return db.with(all).select().from(all).orderBy(all.id);
  },
  'cte of raw SQL': (db) => {
    const raw = db
      .$with('raw', { owner: products.owner, n: sql<string>`n`.as('n') })
      .as(
        sql`select ${products.owner}, count(*) as n from ${products} join ${orders} on ${orders.productId} = ${products.id} group by ${products.owner}`,
      );
    return db.with(raw).select({ owner: raw.owner, n: raw.n }).from(raw);
  },
  'cte of a set operation, selected distinct': (db) => {
    const both = db.$with('both').as(
      db
        .select({ owner: products.owner, sku: products.sku })
        .from(products)
        .unionAll(db.select({ owner: archive.owner, sku: archive.sku }).from(archive)),
    );
    return db.with(both).selectDistinct({ owner: both.owner, sku: both.sku }).from(both).orderBy(both.sku);
  },
  'cte selected distinct on': (db) => {
    const all = db.$with('all_orders').as(db.select().from(orders));
    return db.with(all).selectDistinctOn([all.owner], { owner: all.owner, id: all.id }).from(all).orderBy(all.owner, desc(all.id));
  },
  'cte in a cte': (db) => {
    const cheap = db.$with('cheap').as(db.select({ id: products.id, owner: products.owner }).from(products).where(lt(products.price, 25)));
    const bought = db.$with('bought').as(
      db
        .select({ id: cheap.id, owner: cheap.owner, order: sql<number>`${orders.id}`.as('order_id') })
        .from(cheap)
        .innerJoin(orders, eq(orders.productId, cheap.id)),
    );
    return db.with(cheap, bought).select().from(bought).orderBy(bought.id, bought.order);
  },
  'intersect all': (db) =>
    intersectAll(db.select({ owner: products.owner }).from(products), db.select({ owner: orders.owner }).from(orders)),
  'except all': (db) => exceptAll(db.select({ owner: orders.owner }).from(orders), db.select({ owner: archive.owner }).from(archive)),
  'set operations nested, with limits': (db) =>
    db
      .select({ id: orders.id, owner: orders.owner })
      .from(orders)
      .orderBy(orders.id)
      .limit(2)
      .unionAll(
        db
          .select({ id: products.id, owner: products.owner })
          .from(products)
          .except(db.select({ id: archive.id, owner: archive.owner }).from(archive)),
      )
      .orderBy(sql`1, 2`)
      .limit(4)
      .offset(1),
  'in a set operation': (db) =>
    db
      .select({ id: products.id, owner: products.owner })
      .from(products)
      .where(
        inArray(
          products.id,
          db
            .select({ id: orders.productId })
            .from(orders)
            .union(db.select({ id: archive.id }).from(archive)),
        ),
      )
      .orderBy(products.id),
  view: (db) => db.select().from(stock).orderBy(stock.id),
  'view with a raw or': (db) => db.select({ id: stock.id, owner: stock.owner }).from(stock).where(sql`false or true`).orderBy(stock.id),
  'view joined': (db) =>
    db
      .select()
      .from(products)
      .innerJoin(stock, eq(stock.id, products.id))
      .leftJoin(shelves, eq(shelves.ordered, stock.ordered))
      .orderBy(products.id, shelves.id),
  'view full joined': (db) =>
    db
      .select({ a: archive.id, s: stock.sku, owner: stock.owner })
      .from(stock)
      .fullJoin(archive, eq(archive.sku, stock.sku))
      .orderBy(archive.id, stock.sku),
  'view in subqueries': (db) =>
    db
      .select({ id: products.id, n: db.$count(stock, gt(stock.ordered, products.id)) })
      .from(products)
      .where(exists(db.select({ one: sql`1` }).from(stock).where(eq(stock.sku, products.sku))))
      .orderBy(products.id),
  'view in a fragment': (db) =>
    db
      .select({ id: archive.id, n: sql<string>`(select sum(ordered) from ${stock})`, owner: archive.owner })
      .from(archive)
      .orderBy(archive.id),
  '$count of a view': (db) => db.$count(stock),
  '$count of a subquery': (db) => db.$count(db.select({ id: orders.id }).from(orders).where(gt(orders.quantity, 4)).as('large')),
  union: (db) =>
    db
      .select({ sku: products.sku, owner: products.owner })
      .from(products)
      .union(db.select({ sku: archive.sku, owner: archive.owner }).from(archive))
      .orderBy(products.sku, products.owner),
  'union all': (db) =>
    unionAll(
      db.select({ owner: products.owner }).from(products),
      db.select({ owner: archive.owner }).from(archive),
      db.select({ owner: orders.owner }).from(orders),
    ),
  intersect: (db) => intersect(db.select({ sku: products.sku }).from(products), db.select({ sku: archive.sku }).from(archive)),
  except: (db) =>
    except(
      db.select({ sku: products.sku, price: products.price }).from(products),
      db.select({ sku: other.sku, price: other.price }).from(other).where(eq(other.price, 11)),
    ).orderBy(asc(sql`sku`)),
  'union with a standalone builder': (db) =>
    union(
      db.select({ id: products.id, owner: products.owner }).from(products),
      new QueryBuilder()
        .select({ id: orders.id, owner: orders.owner })
        .from(orders)
        .rightJoin(other, eq(other.id, orders.productId)) as never,
    ).orderBy(sql`1, 2`),
  'set operation in a subquery': (db) => {
    const all = db
      .select({ owner: products.owner })
      .from(products)
      .unionAll(db.select({ owner: orders.owner }).from(orders))
      .as('all_owners');
    return db.select({ owner: all.owner, n: count() }).from(all).groupBy(all.owner);
  },
  $count: (db) => db.$count(products),
  '$count with a filter': (db) => db.$count(products, sql`${eq(products.sku, 'apple')} or true`),
  '$count as a field': (db) =>
    db
      .select({ id: products.id, n: db.$count(orders, eq(orders.productId, products.id)) })
      .from(products)
      .orderBy(products.id),
  'for update': (db) => db.select().from(products).orderBy(products.id).for('update', { of: products }),
  'for share of one table, skipping locked rows': (db) =>
    db
      .select({ o: orders.id, p: products.id, owner: products.owner })
      .from(orders)
      .innerJoin(products, eq(orders.productId, products.id))
      .orderBy(orders.id)
      .for('no key update', { of: [orders, products], skipLocked: true }),
  'for update of what a right join keeps': (db) =>
    db
      .select({ o: orders.id, p: products.id, owner: products.owner })
      .from(orders)
      .rightJoin(products, eq(orders.productId, products.id))
      .orderBy(orders.id, products.id)
      .for('update', { of: products, noWait: true }),
  'raw from': (db) => db.select({ owner: sql<string>`owner` }).from(sql`${products}`).orderBy(sql`1`),
  'raw exists over a table': (db) =>
    db
      .select({ id: archive.id })
      .from(archive)
      .where(sql`exists (select 1 from ${products} p where p.sku = ${archive.sku} and p.price > 11)`)
      .orderBy(archive.id),
  'raw scalar over a table': (db) =>
    db
      .select({ id: archive.id, n: sql<string>`(select count(*) from ${products} where ${products.sku} <> ${archive.sku})` })
      .from(archive)
      .orderBy(archive.id),
  'whole row mentioned': (db) =>
    db
      .select({ row: sql<{ owner: string }>`row_to_json(${archive})` })
      .from(archive)
      .orderBy(archive.id),
  dynamic: (db) => db.select().from(products).$dynamic().where(gt(products.price, 15)).orderBy(products.id).limit(2),
  prepared: (db) =>
    db
      .select()
      .from(products)
      .where(eq(products.sku, sql.placeholder('sku')))
      .prepare('by_sku')
      .execute({ sku: 'apple' }),
  'dynamic page': (db) => page(db.select().from(products).orderBy(products.id).$dynamic(), 2, 1),
  'prepared, with limit and offset': (db) =>
    db
      .select({ id: orders.id, owner: orders.owner })
      .from(orders)
      .leftJoin(products, and(eq(products.id, orders.productId), gt(products.price, sql.placeholder('price'))))
      .where(ne(orders.id, sql.placeholder('not')))
      .orderBy(orders.id)
      .limit(sql.placeholder('limit'))
      .offset(sql.placeholder('offset'))
      .prepare('paged')
      .execute({ price: 1, not: 2, limit: 2, offset: 1 }),
  'prepared once, executed side by side': (db) => {
    const prepared = db
      .select()
      .from(products)
      .where(eq(products.sku, sql.placeholder('sku')))
      .prepare('many_skus');
    return Promise.all(['apple', 'only-c', 'pear', 'apple'].map((sku) => prepared.execute({ sku })));
  },
  'prepared relational': (db) =>
    db.query.products
      .findMany({
        where: (t) => gte(t.price, sql.placeholder('price')),
        orderBy: (t) => t.id,
        limit: sql.placeholder('limit'),
        with: { orders: { where: (t) => gt(t.quantity, sql.placeholder('quantity')), orderBy: (t) => desc(t.id) } },
      })
      .prepare('relational')
      .execute({ price: 11, quantity: 1, limit: 2 }),
  'side by side': (db) =>
    Promise.all([
      db.select().from(products).orderBy(products.id),
      db.$count(orders),
      db.query.archive.findFirst({ orderBy: (t) => t.id }),
      db.select({ owner: archive.owner }).from(archive).orderBy(archive.id).limit(1),
      ...[1, 2, 3, 4].map((id) => db.select().from(orders).where(eq(orders.id, id))),
    ]),
  'awaited twice': async (db) => {
    const query = db.select({ owner: products.owner }).from(products).where(eq(products.id, 1));
    return [await query, await query.execute()];
  },
  'relational many': (db) => db.query.products.findMany({ orderBy: products.id }),
  'relational first': (db) => db.query.products.findFirst({ where: (t, { eq: equal }) => equal(t.sku, 'pear') }),
  'relational where or': (db) => db.query.products.findMany({ where: (t) => sql`${t.id} = 1 or true`, orderBy: (t) => t.id }),
  'relational with many': (db) => db.query.products.findMany({ with: { orders: { orderBy: (t) => t.id } }, orderBy: (t) => t.id }),
  'relational with one': (db) => db.query.orders.findMany({ with: { product: true }, orderBy: (t) => t.id }),
  'relational nested': (db) =>
    db.query.orders.findMany({
      with: {
        product: { with: { orders: { orderBy: (t) => t.id, limit: 1 }, currencyRow: true } },
        parent: { with: { children: { orderBy: (t) => t.id } } },
      },
      orderBy: (t) => t.id,
    }),
  'relational columns and extras': (db) =>
    db.query.products.findMany({
      columns: { owner: true },
      extras: { double: sql<number>`${products.price} * 2`.as('double') },
      orderBy: (t) => t.id,
    }),
  'relational nested where, limit, offset and extras': (db) =>
    db.query.products.findMany({
      columns: { owner: false, tags: false },
      orderBy: (t) => [desc(t.price), t.id],
      with: {
        orders: {
          columns: { id: true },
          where: (t) => or(gt(t.quantity, 0), isNull(t.parentId)),
          orderBy: (t) => desc(t.id),
          limit: 2,
          offset: 1,
          extras: (t) => ({ shout: sql<string>`upper(${t.owner})`.as('shout') }),
          with: { parent: { columns: { owner: true }, with: { product: true } } },
        },
      },
    }),
  'relational exists': (db) =>
    db.query.products.findMany({
      where: (t) => exists(db.select({ one: sql`1` }).from(archive).where(eq(archive.sku, t.sku))),
      orderBy: (t) => t.id,
    }),
  'relational in subquery': (db) =>
    db.query.products.findMany({
      where: (t) => inArray(t.id, db.select({ id: orders.productId }).from(orders).where(isNotNull(orders.productId))),
      orderBy: (t) => t.id,
    }),
  'relational limit and offset': (db) =>
    db.query.orders.findMany({ limit: 2, offset: 1, orderBy: (t) => desc(t.id), with: { product: true } }),
};

/** Reads whose answer is the same for every tenant, or whose stock answer over everybody's rows happens to be. */
export const indifferent = new Set(['reference table', 'intersect']);

/** Writes; each runs in a transaction that is rolled back after every table was read. */
export const writeShapes: Record<string, Shape> = {
  insert: (db) =>
    db
      .insert(products)
      .values({ id: 50, sku: 'new', owner: 'x', tags: ['a', '"b"'], details: { colour: 'red' }, weight: '1.5', createdAt: new Date(0) })
      .returning(),
  'insert rows': (db) =>
    db
      .insert(archive)
      .values([
        { id: 50, sku: 'a', owner: 'x' },
        { id: 51, sku: 'b', owner: 'x' },
      ])
      .returning({ id: archive.id }),
  'insert with defaults': (db) =>
    db
      .insert(products)
      .values([
        { id: 50, sku: 'n1', owner: 'x' },
        { id: 51, sku: 'n2', owner: 'x', price: 5 },
      ])
      .returning(),
  'insert an expression': (db) => db.insert(archive).values({ id: sql`40 + 2`, sku: sql`upper('a')`, owner: 'x' }).returning(),
  'insert or do nothing': (db) => db.insert(products).values({ id: 77, sku: 'apple', owner: 'x' }).onConflictDoNothing().returning(),
  'insert or do nothing on a target': (db) =>
    db
      .insert(products)
      .values({ id: 77, sku: 'only-c', owner: 'x' })
      .onConflictDoNothing({ target: products.sku })
      .returning({ sku: products.sku }),
  upsert: (db) =>
    db
      .insert(products)
      .values({ id: 77, sku: 'apple', owner: 'x', price: 1 })
      .onConflictDoUpdate({ target: products.sku, set: { price: sql`excluded.price + ${products.price}` } })
      .returning(),
  'upsert of what only others have': (db) =>
    db
      .insert(products)
      .values({ id: 4, sku: 'only-c', owner: 'x' })
      .onConflictDoUpdate({ target: [products.id], set: { owner: 'stolen' } })
      .returning(),
  'upsert with a set condition': (db) =>
    db
      .insert(products)
      .values({ id: 1, sku: 'apple', owner: 'x' })
      .onConflictDoUpdate({ target: products.id, set: { owner: 'y' }, setWhere: sql`${products.price} > 10` })
      .returning(),
  'insert or do nothing on a condition': (db) =>
    db
      .insert(products)
      .values({ id: 77, sku: 'pear', owner: 'x' })
      .onConflictDoNothing({ target: products.sku, where: sql`${products.active}` })
      .returning(),
  'upsert rows, with a target and a set condition': (db) =>
    db
      .insert(products)
      .values([
        { id: 1, sku: 'apple', owner: 'x', price: 7 },
        { id: 2, sku: 'pear', owner: 'x', price: 8 },
        { id: 60, sku: 'fig', owner: 'x', price: 9 },
      ])
      .onConflictDoUpdate({
        target: products.id,
        targetWhere: sql`${products.active}`,
        set: { price: sql`excluded.price + ${products.price}`, owner: sql`excluded.owner`, active: false },
        setWhere: sql`${products.sku} <> 'pear' and ${products.price} > 0`,
      })
      .returning(),
  'upsert with the old condition': (db) =>
    db
      .insert(archive)
      .values({ id: 9, sku: 'x', owner: 'x' })
      .onConflictDoUpdate({ target: [archive.id], set: { sku: 'y' }, where: eq(archive.sku, 'old') })
      .returning(),
  'upsert of a subquery': (db) =>
    db
      .insert(archive)
      .values({ id: 9, sku: 'x', owner: sql`(select max(${products.owner}) from ${products})` })
      .onConflictDoUpdate({ target: archive.id, set: { owner: sql`(select min(${orders.owner}) || excluded.owner from ${orders})` } })
      .returning(),
  'insert over an identity': (db) =>
    db
      .insert(notes)
      .overridingSystemValue()
      .values({ number: 50, owner: 'x' } as never)
      .returning(),
  'insert prepared': (db) =>
    db
      .insert(archive)
      .values({ id: sql.placeholder('id'), sku: sql.placeholder('sku'), owner: 'x' })
      .returning()
      .prepare('insert_archive')
      .execute({ id: 70, sku: 's' }),
  'insert select of a standalone builder': (db) =>
    db
      .insert(archive)
      .select(
        new QueryBuilder()
          .select({ tenantId: stock.tenantId, id: sql<number>`${stock.id} + 100`.as('id'), sku: stock.sku, owner: stock.owner })
          .from(stock) as never,
      ),
  'insert select with a cte, or do nothing': (db) => {
    const dear = db.$with('dear').as(db.select().from(products).where(gt(products.price, 15)));
    return db
      .with(dear)
      .insert(archive)
      .select(
        db
          .select({
            tenantId: dear.tenantId,
            id: sql<number>`case ${dear.id} when 2 then 9 else 80 + ${dear.id} end`.as('id'),
            sku: dear.sku,
            owner: dear.owner,
          })
          .from(dear),
      )
      .onConflictDoNothing()
      .returning({ sku: archive.sku });
  },
  'insert select distinct and grouped': (db) =>
    db.insert(archive).select(
      db
        .selectDistinct({
          tenantId: orders.tenantId,
          id: sql<number>`50 + count(*)`.as('id'),
          sku: sql<string>`'n'`.as('sku'),
          owner: orders.owner,
        })
        .from(orders)
        .groupBy(orders.tenantId, orders.owner),
    ),
  'insert select': (db) =>
    db
      .insert(archive)
      .select(
        db
          .select({ tenantId: products.tenantId, id: sql<number>`${products.id} + 100`.as('id'), sku: products.sku, owner: products.owner })
          .from(products)
          .where(lt(products.price, 25)),
      )
      .returning(),
  'insert select by callback': (db) =>
    db.insert(archive).select((qb) =>
      qb
        .select({ tenantId: orders.tenantId, id: sql<number>`${orders.id} + 100`.as('id'), sku: other.sku, owner: other.owner })
        .from(orders)
        .innerJoin(other, eq(orders.productId, other.id)),
    ),
  'insert select union': (db) =>
    db.insert(archive).select(
      db
        .select({ tenantId: products.tenantId, id: sql<number>`${products.id} + 100`.as('id'), sku: products.sku, owner: products.owner })
        .from(products)
        .unionAll(
          db
            .select({
              tenantId: orders.tenantId,
              id: sql<number>`${orders.id} + 200`.as('id'),
              sku: sql<string>`'o'`.as('sku'),
              owner: orders.owner,
            })
            .from(orders),
        ),
    ),
  update: (db) => db.update(products).set({ price: 1 }).where(eq(products.sku, 'apple')).returning(),
  'update all': (db) => db.update(products).set({ owner: 'changed' }),
  'update with a raw or': (db) =>
    db
      .update(products)
      .set({ price: sql`${products.price} + 1` })
      .where(sql`false or true`),
  'update with $onUpdate': (db) => db.update(orders).set({ quantity: 0 }).where(eq(orders.id, 1)).returning(),
  'update from': (db) => db.update(orders).set({ owner: products.owner }).from(products).where(eq(orders.productId, products.id)),
  'update from with a join': (db) =>
    db
      .update(archive)
      .set({ owner: sql`${products.owner} || ${orders.quantity}` })
      .from(products)
      .innerJoin(orders, eq(orders.productId, products.id))
      .where(and(eq(archive.sku, products.sku), eq(orders.id, 1)))
      .returning({ id: archive.id, owner: archive.owner, order: orders.id }),
  'update from with a left join': (db) =>
    db
      .update(archive)
      .set({ owner: sql`coalesce(${orders.owner}, 'none')` })
      .from(products)
      .leftJoin(orders, eq(orders.productId, products.price))
      .where(eq(archive.sku, products.sku)),
  'update from a subquery': (db) => {
    const totals = db
      .select({ productId: orders.productId, total: sum(orders.quantity).mapWith(Number).as('total') })
      .from(orders)
      .groupBy(orders.productId)
      .as('totals');
    return db
      .update(products)
      .set({ price: sql`${totals.total}` })
      .from(totals)
      .where(eq(totals.productId, products.id))
      .returning();
  },
  'update from a view': (db) =>
    db
      .update(archive)
      .set({ owner: stock.owner, sku: sql`${stock.ordered}::text` })
      .from(stock)
      .where(eq(stock.sku, archive.sku))
      .returning(),
  'update from with a full join': (db) =>
    db
      .update(archive)
      .set({ owner: sql`coalesce(${products.owner}, 'nobody')` })
      .from(products)
      .fullJoin(orders, eq(orders.id, products.id))
      .where(and(eq(archive.id, 1), eq(products.id, 1))),
  'update from a cte of an update': (db) => {
    const raised = db.$with('raised').as(
      db
        .update(products)
        .set({ price: sql`${products.price} + 100` })
        .where(eq(products.id, 1))
        .returning({ id: products.id, price: products.price, owner: products.owner }),
    );
    return db
      .with(raised)
      .update(orders)
      .set({ quantity: raised.price, owner: raised.owner })
      .from(raised)
      .where(eq(orders.productId, raised.id))
      .returning({ id: orders.id, quantity: orders.quantity });
  },
  'update to a scalar subquery': (db) =>
    db
      .update(archive)
      .set({ owner: sql`(${db.select({ owner: max(orders.owner) }).from(orders)})` })
      .returning({ id: archive.id, owner: archive.owner }),
  'update prepared': (db) =>
    db
      .update(archive)
      .set({ owner: sql`${sql.placeholder('owner')}` })
      .where(eq(archive.id, sql.placeholder('id')))
      .returning()
      .prepare('update_archive')
      .execute({ owner: 'o', id: 9 }),
  'update with a cte': (db) => {
    const dear = db.$with('dear').as(db.select({ id: products.id }).from(products).where(gt(products.price, 15)));
    return db
      .with(dear)
      .update(orders)
      .set({ quantity: 99 })
      .where(inArray(orders.productId, db.select({ id: dear.id }).from(dear)));
  },
  'update an aliased table': (db) => db.update(other).set({ price: 3 }).where(eq(other.id, 2)),
  'update where in subquery': (db) =>
    db
      .update(products)
      .set({ active: false })
      .where(inArray(products.id, db.select({ id: orders.productId }).from(orders).where(gt(orders.quantity, 4)))),
  delete: (db) => db.delete(products).where(eq(products.sku, 'apple')).returning({ id: products.id, owner: products.owner }),
  'delete all': (db) => db.delete(orders),
  'delete with a raw or': (db) => db.delete(archive).where(sql`false or true`),
  'delete where exists': (db) =>
    db.delete(archive).where(exists(db.select({ one: sql`1` }).from(products).where(eq(products.sku, archive.sku)))),
  'delete with a cte': (db) => {
    const bought = db.$with('bought').as(db.selectDistinct({ id: orders.productId }).from(orders));
    return db
      .with(bought)
      .delete(archive)
      .where(inArray(archive.id, db.select({ id: bought.id }).from(bought)))
      .returning();
  },
  'delete prepared': (db) =>
    db
      .delete(archive)
      .where(eq(archive.id, sql.placeholder('id')))
      .returning()
      .prepare('delete_archive')
      .execute({ id: 9 }),
  'delete of a referenced row': (db) => db.delete(products).where(eq(products.id, 1)),
  'delete of what only others have': (db) => db.delete(products).where(eq(products.sku, 'only-c')).returning(),
  'insert in a cte': (db) => {
    const made = db.$with('made').as(db.insert(archive).values({ id: 60, sku: 'c', owner: 'x' }).returning());
    return db.with(made).select().from(made);
  },
  'delete in a cte': (db) => {
    const gone = db.$with('gone').as(db.delete(archive).where(eq(archive.sku, 'apple')).returning());
    return db
      .with(gone)
      .insert(products)
      .select(
        db
          .select({
            tenantId: gone.tenantId,
            id: sql<number>`70`.as('id'),
            sku: sql<string>`'moved'`.as('sku'),
            owner: gone.owner,
            price: sql<number>`1`.as('price'),
            weight: sql<null>`null::numeric`.as('weight'),
            currency: sql<string>`'EUR'`.as('currency'),
            tags: sql<null>`null::text[]`.as('tags'),
            details: sql<null>`null::jsonb`.as('details'),
            active: sql<boolean>`true`.as('active'),
            createdAt: sql<Date>`'2024-01-01'::timestamptz`.as('created_at'),
          })
          .from(gone) as never,
      )
      .returning({ sku: products.sku, owner: products.owner });
  },
};
