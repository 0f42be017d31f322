import { integer, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { expect, test } from 'vitest';
import type { SilentQuestion } from '../../../src/audit/silent-question.ts';
import { SilentAnswers } from '../../../src/database/silent-answers.ts';
import { tableKeys } from '../../../src/database/table-keys.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { uniqueWithinTenant } from '../../../src/database/unique-within-tenant.ts';
import { Scope } from '../../../src/tenant/scope.ts';
import type { Tenant } from '../../../src/tenant/tenant.ts';

const products = tenantTable('products', { id: uuid('id').notNull(), sku: text('sku').notNull(), stock: integer('stock') }, (t) => [
  tenantKey(t.id),
  uniqueWithinTenant(t.sku),
]);
const prices = tenantTable('prices', { country: text('country').notNull(), day: integer('day').notNull(), code: text('code') }, (t) => [
  tenantKey(t.country, t.day),
  uniqueIndex().on(t.tenantId, t.code),
]);

const tenant = { id: 'acme' } as Tenant;
const placement = {
  tenantId: 'acme',
  clusterId: 'c',
  database: 'd',
  schema: 'pool',
  isolation: 'row',
  epoch: 1,
  schemaVersion: '',
} as const;

function asked(text: string, params: readonly unknown[], isolation: 'row' | 'schema' = 'row'): readonly SilentQuestion[] {
  const questions: SilentQuestion[] = [];
  const answers = new SilentAnswers({ products, prices, other: 'no table' }, (question) => questions.push(question));
  answers.note({ placement: { ...placement, isolation }, tenant }, new Scope(tenant, { requestId: 'r-1' }), text, { params });
  return questions;
}

test('knows a schema’s keys without tenant_id, the primary first', () => {
  expect(Object.fromEntries(tableKeys({ products, prices }))).toEqual({
    products: [
      { columns: ['id'], primary: true },
      { columns: ['sku'], primary: false },
    ],
    prices: [
      { columns: ['country', 'day'], primary: true },
      { columns: ['code'], primary: false },
    ],
  });
});

test('asks about the row that a key names', () => {
  const text = 'select "id" from "products" where "products"."tenant_id" = $1 and ("products"."id" = $2)';
  expect(asked(text, ['acme', 'x'])).toMatchObject([
    {
      tenantId: 'acme',
      requestId: 'r-1',
      clusterId: 'c',
      database: 'd',
      schema: 'pool',
      table: 'products',
      columns: ['id'],
      primary: true,
      values: ['x'],
    },
  ]);
});

test('asks about each of several rows, twenty at most', () => {
  expect(asked('delete from products where sku = any($1)', [['a', 'b']]).map(({ values, primary }) => [values, primary])).toEqual([
    [['a'], false],
    [['b'], false],
  ]);
  const many = Array.from({ length: 1_000 }, (_, index) => String(index));
  expect(asked('delete from products where sku = any($1)', [many])).toHaveLength(20);
  expect(asked('delete from prices where country = any($1) and day = any($2)', [many, [1, 2, 3]])).toHaveLength(20);
});

test('a key of several columns must be named whole; values are written as PostgreSQL reads them', () => {
  expect(asked('select * from prices where country = $1', ['de'])).toEqual([]);
  expect(asked('select * from prices where country = $1 and day = $2', ['de', 4])).toMatchObject([{ values: ['de', '4'] }]);
  expect(asked('select * from products where sku = $1', [new Date(0)])).toMatchObject([{ values: ['1970-01-01T00:00:00.000Z'] }]);
  expect(asked('select * from products where sku = $1', [Buffer.from('ab')])).toMatchObject([{ values: ['\\x6162'] }]);
});

test.each([
  ['another isolation', 'select * from products where id = $1', ['x'], 'schema'],
  ['a table that the schema lacks', 'select * from unknown where id = $1', ['x'], 'row'],
  ['a column that is no key', 'select * from products where stock = $1', [1], 'row'],
  ['a null', 'select * from products where id = $1', [null], 'row'],
  ['a value that is huge', 'select * from products where sku = $1', ['x'.repeat(2_000)], 'row'],
  ['a parameter that is missing', 'select * from products where sku = $9', [], 'row'],
] as const)('asks nothing for %s', (_, text, params, isolation) => {
  expect(asked(text, params, isolation)).toEqual([]);
});
