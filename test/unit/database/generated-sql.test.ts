import { and, eq, exists, inArray, isNull, sql } from 'drizzle-orm';
import { alias, pgEnum, pgTable, pgView, QueryBuilder, text } from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/postgres-js';
import { describe, expect, it } from 'vitest';
import { Auditor } from '../../../src/audit/auditor.ts';
import { CompiledQuery } from '../../../src/database/compiled-query.ts';
import { createScopedDatabase } from '../../../src/database/scoped-database.ts';
import { TenantDialect } from '../../../src/database/tenant-dialect.ts';
import { EncryptedColumnError, NotSupportedError, UnscopedQueryError } from '../../../src/errors.ts';
import { archive, currencies, orders, products, schema, stock, suppliers } from '../../integration/database/sample-schema.ts';
import { DirectRouter, TestKeyRing } from '../../support/direct-route.ts';

const { db } = createScopedDatabase({
  schema,
  router: new DirectRouter({} as never, {}),
  keys: new TestKeyRing(),
  auditor: new Auditor([]),
});
const dialect = new TenantDialect();
const bare = pgTable('bare', { id: text('id') });

/** The text with the schema filled in. */
function textOf(query: object): string {
  return dialect.sqlToQuery((query as { getSQL(): never }).getSQL()).textFor('s');
}

describe('generated SQL', () => {
  const id = { id: products.id };
  const p = alias(products, 'p');

  it('puts the first table’s predicate into the WHERE, ahead of the caller’s condition in parentheses', () => {
    expect(textOf(db.select(id).from(products))).toBe('select "id" from "s"."products" where "products"."tenant_id" = $1');
    expect(textOf(db.select(id).from(products).where(sql`a or b`))).toBe(
      'select "id" from "s"."products" where "products"."tenant_id" = $1 and (a or b)',
    );
  });

  it('puts an inner or left join’s predicate into its ON, a cross join’s into the WHERE', () => {
    const on = eq(orders.productId, products.id);
    for (const [join, text] of [
      ['innerJoin', 'inner'],
      ['leftJoin', 'left'],
    ] as const) {
      expect(textOf(db.select(id).from(products)[join](orders, on))).toBe(
        `select "products"."id" from "s"."products" ${text} join "s"."orders" on "orders"."tenant_id" = $1 and ("orders"."product_id" = "products"."id") where "products"."tenant_id" = $1`,
      );
    }
    expect(textOf(db.select(id).from(products).crossJoin(orders))).toBe(
      'select "products"."id" from "s"."products" cross join "s"."orders" where "products"."tenant_id" = $1 and "orders"."tenant_id" = $1',
    );
  });

  it('filters tables where they stand as soon as a right or full join is in the chain', () => {
    const on = eq(orders.productId, products.id);
    for (const [join, text] of [
      ['rightJoin', 'right'],
      ['fullJoin', 'full'],
    ] as const) {
      expect(textOf(db.select(id).from(products)[join](orders, on))).toBe(
        `select "products"."id" from (select * from "s"."products" where "tenant_id" = $1) "products" ${text} join (select * from "s"."orders" where "tenant_id" = $1) "orders" on "orders"."product_id" = "products"."id"`,
      );
    }
  });

  it('keeps aliases', () => {
    expect(textOf(db.select({ id: p.id }).from(p).where(eq(p.sku, 'x')))).toBe(
      'select "id" from "s"."products" "p" where "p"."tenant_id" = $1 and ("p"."sku" = $2)',
    );
  });

  it('scopes views as tables, under their alias too', () => {
    const s = alias(stock, 'shelf');
    expect(textOf(db.select({ id: stock.id }).from(stock))).toBe('select "id" from "s"."stock" where "stock"."tenant_id" = $1');
    expect(textOf(db.select({ id: s.id }).from(s))).toBe('select "id" from "s"."stock" "shelf" where "shelf"."tenant_id" = $1');
    expect(textOf(db.select({ id: s.id }).from(products).fullJoin(s, eq(s.id, products.id)))).toContain(
      'full join (select * from "s"."stock" where "tenant_id" = $1) "shelf" on',
    );
  });

  it('leaves reference tables unscoped and in their schema', () => {
    expect(textOf(db.select().from(currencies))).toBe('select "code", "label" from "reference"."currencies"');
    expect(textOf(db.select({ code: currencies.code }).from(currencies).leftJoin(products, eq(products.currency, currencies.code)))).toBe(
      'select "reference"."currencies"."code" from "reference"."currencies" left join "s"."products" on "products"."tenant_id" = $1 and ("products"."currency" = "reference"."currencies"."code")',
    );
  });

  it('scopes subqueries, CTEs and set operations', () => {
    const inner = db.select(id).from(products);
    expect(textOf(db.select().from(inner.as('q')))).toBe(
      'select "id" from (select "id" from "s"."products" where "products"."tenant_id" = $1) "q"',
    );
    expect(textOf(db.select({ id: archive.id }).from(archive).where(inArray(archive.id, inner)))).toContain(
      '"archive"."id" in (select "id" from "s"."products" where "products"."tenant_id" = $1)',
    );
    const cte = db.$with('c').as(inner);
    expect(textOf(db.with(cte).select().from(cte))).toBe(
      'with "c" as (select "id" from "s"."products" where "products"."tenant_id" = $1) select "id" from "c"',
    );
    expect(textOf(db.select({ id: orders.id }).from(orders).unionAll(inner))).toBe(
      '(select "id" from "s"."orders" where "orders"."tenant_id" = $1) union all (select "id" from "s"."products" where "products"."tenant_id" = $1)',
    );
  });

  it('writes tenant_id with every row', () => {
    expect(
      textOf(
        db.insert(archive).values([
          { id: 1, sku: 'a', owner: 'o' },
          { id: 2, sku: 'b', owner: 'o' },
        ]),
      ),
    ).toBe('insert into "s"."archive" ("tenant_id", "id", "sku", "owner") values ($1, $2, $3, $4), ($1, $5, $6, $7)');
    expect(
      textOf(db.insert(archive).select((qb) => qb.select({ id: products.id, sku: products.sku, owner: products.owner }).from(products))),
    ).toBe(
      'insert into "s"."archive" ("id", "sku", "owner", "tenant_id") select "id", "sku", "owner", $1::text from "s"."products" where "products"."tenant_id" = $1',
    );
  });

  it('leads conflict targets with tenant_id', () => {
    const row = { id: 1, sku: 'a', owner: 'o' };
    expect(textOf(db.insert(archive).values(row).onConflictDoNothing({ target: archive.id }))).toContain(
      'on conflict ("tenant_id","id") do nothing',
    );
    expect(textOf(db.insert(archive).values(row).onConflictDoNothing())).toContain('on conflict do nothing');
    expect(
      textOf(
        db
          .insert(archive)
          .values(row)
          .onConflictDoUpdate({ target: [archive.tenantId, archive.id], set: { sku: 'b' } }),
      ),
    ).toContain('on conflict ("tenant_id","id") do update set "sku" = $5');
  });

  it('scopes updates and deletes, and what they read from', () => {
    expect(textOf(db.update(products).set({ price: 1 }).where(eq(products.id, 2)))).toBe(
      'update "s"."products" set "price" = $1 where "products"."tenant_id" = $2 and ("products"."id" = $3)',
    );
    expect(textOf(db.update(p).set({ price: 1 }))).toBe('update "s"."products" "p" set "price" = $1 where "p"."tenant_id" = $2');
    expect(textOf(db.update(archive).set({ owner: 'x' }).from(products).leftJoin(orders, eq(orders.productId, products.id)))).toBe(
      'update "s"."archive" set "owner" = $1 from "s"."products" left join "s"."orders" on "orders"."tenant_id" = $2 and ("orders"."product_id" = "products"."id") where "archive"."tenant_id" = $2 and "products"."tenant_id" = $2',
    );
    expect(textOf(db.delete(products).where(sql`true`).returning(id))).toBe(
      'delete from "s"."products" where "products"."tenant_id" = $1 and (true) returning "id"',
    );
  });

  it('filters tables named in fragments of SQL, and refuses writes in them', () => {
    const where = (fragment: ReturnType<typeof sql>) => textOf(db.select({ id: archive.id }).from(archive).where(fragment));
    expect(where(sql`exists (select 1 from ${products})`)).toContain(
      'from (select * from "s"."products" where "tenant_id" = $1) "products")',
    );
    expect(where(sql`exists (select 1 from ${products} as q where true)`)).toContain(
      'from (select * from "s"."products" where "tenant_id" = $1) as q where',
    );
    expect(where(sql`exists (select 1 from ${products} where ${products.sku} = 'x')`)).toContain(
      '"tenant_id" = $1) "products" where "products"."sku"',
    );
    expect(where(sql`row_to_json(${archive}) is null`)).toContain('row_to_json("archive")');
    for (const fragment of [sql`delete from ${products}`, sql`insert into ${products} values (1)`, sql`update ${products} set price = 0`]) {
      expect(() => where(fragment)).toThrow(NotSupportedError);
    }
  });

  it('looks enum types up in the tenant’s schema', () => {
    const status = pgEnum('status', ['a']);
    expect(textOf(db.select({ x: sql`'a'::${status}` }).from(archive))).toContain(`'a'::"s"."status"`);
  });

  it('quotes schema names', () => {
    expect(new CompiledQuery(['select from ', '"t"'], [], false).textFor('a"b')).toBe('select from "a""b"."t"');
  });
});

describe('refused when compiled', () => {
  const standalone = new QueryBuilder();
  const view = pgView('v', { id: text('id') }).existing();
  const refused: Record<string, () => object> = {
    'an unmarked table': () => db.select().from(bare),
    'an unmarked table in a join': () => db.select({ id: products.id }).from(products).leftJoin(bare, sql`true`),
    'an unmarked table in a fragment': () => db.select({ id: products.id }).from(products).where(sql`exists (select from ${bare})`),
    'an update of an unmarked table': () => db.update(bare).set({ id: 'x' }),
    'a delete of an unmarked table': () => db.delete(bare),
    'an insert into an unmarked table': () => db.insert(bare).values({ id: 'x' }),
    '$count of an unmarked table': () => db.$count(bare),
    'a view': () => db.select().from(view),
    'a view in a join': () => db.select({ id: products.id }).from(products).leftJoin(view, sql`true`),
    '$count of a view': () => db.$count(view),
    'a subquery of a standalone builder': () => db.select().from(standalone.select().from(products).as('q')),
    'a joined subquery of a standalone builder': () =>
      db
        .select({ id: products.id })
        .from(products)
        .innerJoin(standalone.select({ id: orders.id }).from(orders).as('q'), sql`true`),
    'a CTE that a standalone builder named': () => {
      const cte = standalone.$with('c').as(standalone.select().from(products));
      return db.with(cte).select().from(cte);
    },
    'a view of somebody else in a raw CTE': () => {
      const cte = db.$with('c', { id: products.id }).as(sql`select id from ${view}`);
      return db.with(cte).select().from(cte);
    },
    'a CTE of another database object': () => {
      const cte = db.$with('c').as(drizzle.mock().delete(products).returning());
      return db.with(cte).select().from(cte);
    },
  };
  for (const [name, make] of Object.entries(refused)) {
    it(name, () => {
      expect(() => textOf(make())).toThrow(UnscopedQueryError);
    });
  }

  it('writes to reference tables, materialized views, the cache, NUL characters', () => {
    expect(() => textOf(db.insert(currencies).values({ code: 'X', label: 'x' }))).toThrow(NotSupportedError);
    expect(() => textOf(db.update(currencies).set({ label: 'x' }))).toThrow(NotSupportedError);
    expect(() => textOf(db.delete(currencies))).toThrow(NotSupportedError);
    expect(() => textOf(db.delete(stock as never))).toThrow(NotSupportedError);
    expect(() => textOf(db.update(stock as never).set({ sku: 'x' } as never))).toThrow(NotSupportedError);
    expect(() => textOf(db.insert(stock as never).values({ sku: 'x' } as never))).toThrow(NotSupportedError);
    expect(() => db.refreshMaterializedView({} as never)).toThrow(NotSupportedError);
    expect(() => db.select().from(products).$withCache().prepare('x')).toThrow(NotSupportedError);
    expect(() => textOf(db.select().from(products).where(sql.raw('true\0')))).toThrow(NotSupportedError);
    expect(() => textOf(db.select().from(alias(products, 'a\0b')))).toThrow(NotSupportedError);
    expect(db.$cache).toBeUndefined();
  });

  it('an insert from a raw select', () => {
    expect(() => db.insert(archive).select(sql`select * from products`)).toThrow(NotSupportedError);
    expect(() => db.insert(archive).select(() => sql`select * from products`)).toThrow(NotSupportedError);
  });
});

describe('encrypted columns are refused where ciphertext can’t work', () => {
  const { iban } = suppliers;
  const select = () => db.select({ id: suppliers.id }).from(suppliers).$dynamic();
  const refused: Record<string, () => object> = {
    eq: () => select().where(eq(iban, 'x')),
    'eq with a placeholder': () => select().where(eq(iban, sql.placeholder('x'))),
    inArray: () => select().where(inArray(iban, ['x'])),
    'a parameter of the column': () => select().where(sql`${'x'} = ${sql.param('x', iban)}`),
    'a placeholder of the column': () => select().where(sql`true = ${sql.param(sql.placeholder('x'), iban)}`),
    'order by': () => select().orderBy(iban),
    'group by': () => select().groupBy(iban),
    having: () => select().having(eq(iban, 'x')),
    'join on': () => select().innerJoin(products, eq(products.sku, iban)),
    'an expression in a selection': () => db.select({ x: sql`upper(${iban})` }).from(suppliers),
    'an expression with an alias': () => db.select({ x: sql`upper(${iban})`.as('x') }).from(suppliers),
    'an expression in returning': () => db.delete(suppliers).returning({ x: sql`upper(${iban})` }),
    distinct: () => db.selectDistinct({ iban }).from(suppliers),
    'distinct on': () => db.selectDistinctOn([iban], { id: suppliers.id }).from(suppliers),
    union: () => db.select({ iban }).from(suppliers).union(db.select({ iban }).from(suppliers)),
    'insert of an expression': () => db.insert(suppliers).values({ id: 1, name: 'x', iban: sql`'x'` }),
    'update to an expression': () => db.update(suppliers).set({ iban: sql`'x'` }),
    'update to a column': () => db.update(suppliers).set({ iban: suppliers.name as never }),
    'update from the column': () => db.update(suppliers).set({ name: sql`${iban}` }),
    'insert select into it': () =>
      db
        .insert(suppliers)
        .select(db.select({ id: suppliers.id, name: suppliers.name, iban: sql`'x'`.as('iban') }).from(suppliers) as never),
    'insert select from it': () =>
      db.insert(archive).select(db.select({ id: suppliers.id, sku: iban, owner: suppliers.name }).from(suppliers) as never),
    'a relational where': () => db.query.suppliers.findMany({ where: (t) => eq(t.iban, 'x') }),
    'a relational order': () => db.query.suppliers.findMany({ orderBy: (t) => t.iban }),
    'a nested relational order': () => db.query.products.findMany({ with: { suppliers: { orderBy: (t) => t.iban } } }),
    'a relational extra': () => db.query.suppliers.findMany({ extras: { x: sql`upper(${iban})`.as('x') } }),
    'a nested relational extra': () => db.query.products.findMany({ with: { suppliers: { extras: { x: sql`upper(${iban})`.as('x') } } } }),
  };
  for (const [name, make] of Object.entries(refused)) {
    it(name, () => {
      expect(() => textOf(make())).toThrow(EncryptedColumnError);
    });
  }

  it('isNull, fields, returning and union all work', () => {
    expect(textOf(select().where(and(isNull(iban), exists(db.select({ iban }).from(suppliers)))))).toContain('"suppliers"."iban" is null');
    expect(textOf(db.select({ iban }).from(suppliers).unionAll(db.select({ iban }).from(suppliers)))).toContain('"suppliers"."iban"');
    expect(textOf(db.insert(suppliers).values({ id: 1, name: 'x', iban: 'DE89' }).returning())).toContain('returning');
  });
});
