import { expect, test } from 'vitest';
import { keyedStatement } from '../../../src/database/keyed-statement.ts';

const columnsOf = (sql: string) => Object.fromEntries(keyedStatement(sql)?.columns ?? []);

test.each([
  ['select "id" from "products" where "products"."tenant_id" = $1 and ("products"."id" = $2)', { tenant_id: [1], id: [2] }],
  ['select "id" from "products" "p" where (("p"."id" = $2 and "p"."stock" > $3)) limit $4', { id: [2] }],
  ['select "id" from "pool"."products" where "products"."id" in ($2, $3) order by "id"', { id: [2, 3] }],
  ['update "products" set "stock" = $1 where "products"."id" = $3 returning "id"', { id: [3] }],
  ['delete from only pool.products as p where p.id = any($1)', { id: [1] }],
  ['delete from Products where $1::uuid = ID', { id: [1] }],
  ['select * from products where id = $1::pg_catalog.uuid and sku between $2 and $3 and not id = $4 for update', { id: [1] }],
  ['select * from products p join orders o on o.id = $1 where p.id = $2 and o.id = $3', { id: [2] }],
])('%s', (sql, columns) => {
  const expected = Object.fromEntries(
    Object.entries(columns).map(([name, places]) => [name, places.map((place) => ({ param: place - 1 }))]),
  );
  expect(columnsOf(sql)).toEqual(expected);
  expect(keyedStatement(sql)?.table).toBe('products');
});

test('literals of raw SQL are values too', () => {
  expect(columnsOf(`select * from products where id = 'it''s' and n = 42 -- comment`)).toEqual({
    id: [{ literal: "it's" }],
    n: [{ literal: '42' }],
  });
});

test.each([
  'select * from products where id = $1 or true',
  'select * from products where (id = $1 or sku = $2)',
  'select * from products where not (id = $1)',
  'select * from products where id <> $1',
  'select * from products where id = $1 + 1',
  'select * from products where lower(id) = $1',
  'select * from products where id = lower($1)',
  'select * from products where "other"."id" = $1',
  'select * from products where id in (select id from x)',
  `select * from products where id = e'a'`,
  'select * from products where id = $1 union select * from products',
  'with p as (select 1) select * from products where id = $1',
  'insert into products (id) values ($1)',
  'select * from generate_series(1, 2) where id = $1',
  'select (select id from products where id = $1)',
  'select * from products where id = $1)',
  `select * from products where id = 'open`,
  `select * from products where ${'('.repeat(60)}id = $1${')'.repeat(60)}`,
  `select * from products where id = $1 and sku = '${'x'.repeat(10_000)}'`,
  '',
])('says nothing about %.80s', (sql) => {
  expect(keyedStatement(sql)).toBeUndefined();
});
