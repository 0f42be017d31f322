import { inspect } from 'node:util';
import { eq, inArray, sql } from 'drizzle-orm';
import { customType, pgTable, text } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tenantKey } from '../../src/database/tenant-key.ts';
import { tenantTable } from '../../src/database/tenant-table.ts';
import { CrossTenantAccessError, InvalidTenantIdError, UnknownTenantError } from '../../src/errors.ts';
import { orders, products } from '../integration/database/sample-schema.ts';
import { type SampleWorld, type StockDatabase, sampleWorld } from '../integration/database/sample-world.ts';
import { runAs } from '../support/direct-route.ts';
import { createShop, type Shop } from '../support/shop/platform.ts';

/**
 * Objects that are not what they seem, given to builders by code that trusts its callers too much. There is no row-level security in this
 * world: what a query answers is what the library made of it. Beta asks; `only-c` is another tenant's.
 */
let world: SampleWorld;
let stock: StockDatabase;
beforeAll(async () => {
  world = await sampleWorld();
  stock = await world.stockOn('pool');
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

/** As stock drizzle knows the table. */
const stockProducts = pgTable('products', { owner: text('owner'), tenantId: text('tenant_id') });

const asBeta = async (query: (db: SampleWorld['scoped']['db']) => PromiseLike<unknown>): Promise<string> =>
  await runAs('beta', async () => JSON.stringify(await query(world.scoped.db)));
/** What is answered, or the name of the error. */
const met = async (query: (db: SampleWorld['scoped']['db']) => PromiseLike<unknown>): Promise<string> =>
  await asBeta(query).catch((error: unknown) => (error as Error).name);
const foreign = /alpha|gamma|only-[ac]/;

describe('a prototype that everything inherits from', () => {
  const pollution: Readonly<Record<string, unknown>> = {
    tenantId: 'gamma',
    tenant_id: 'gamma',
    tenant: { id: 'gamma' },
    schema: 'gamma',
    searchPath: 'gamma',
    raw: true,
    over: false,
    grant: { auditId: 'x' },
    isolation: 'row',
    placement: { schema: 'gamma' },
    where: sql`true`,
    anyTenant: true,
    transaction: { tenantId: 'gamma' },
    queryChunks: [],
    inlineParams: true,
    decoder: { mapFromDriverValue: () => 'gamma' },
    encoder: { mapToDriverValue: () => 'gamma' },
    usedTables: [],
    id: 3,
  };

  test('control: scoping by an option that may be missing is fooled', async () => {
    const rowsOf = async (options: { tenantId?: string }) =>
      await stock
        .select({ owner: stockProducts.owner })
        .from(stockProducts)
        .where(eq(stockProducts.tenantId, options.tenantId ?? 'beta'));
    expect(JSON.stringify(await rowsOf({}))).not.toMatch(foreign);
    expect(JSON.stringify(await polluted('tenantId', 'gamma', () => rowsOf({})))).toMatch(foreign);
  });

  test.each(Object.keys(pollution))('with %s shows and writes no other tenant’s rows', async (key) => {
    const before = await world.admin`select * from pool.products where tenant_id <> 'beta' order by tenant_id, id`;
    const answers = await polluted(key, pollution[key], async () => [
      await met((db) => db.select({ owner: products.owner, tenant: products.tenantId }).from(products)),
      await met((db) => db.query.products.findMany({ columns: { owner: true } })),
      await met((db) => db.select({ n: orders.owner }).from(orders).leftJoin(products, eq(orders.productId, products.id))),
      await met((db) => db.update(products).set({ price: 9 }).returning({ owner: products.owner })),
      await met((db) =>
        db
          .insert(products)
          .values({ id: 900, sku: `p-${key}`, owner: 'beta' })
          .returning({ tenant: products.tenantId }),
      ),
      await met((db) =>
        db
          .delete(products)
          .where(eq(products.sku, `p-${key}`))
          .returning({ tenant: products.tenantId }),
      ),
    ]);
    for (const answer of answers) expect(answer).not.toMatch(foreign);
    expect(await world.admin`select * from pool.products where tenant_id <> 'beta' order by tenant_id, id`).toEqual(before);
  });
});

describe('a value that changes between two looks', () => {
  const turning = (): unknown => {
    let looks = 0;
    const next = (): string => (looks++ === 0 ? 'beta' : 'gamma');
    return { toString: next, valueOf: next, toJSON: next, [Symbol.toPrimitive]: next };
  };

  test('control: what checks it and then writes it sees two values', async () => {
    const id = turning() as string;
    expect(`${id}`).toBe('beta');
    expect(
      JSON.stringify(
        await stock
          .select({ owner: stockProducts.owner })
          .from(stockProducts)
          .where(eq(stockProducts.tenantId, `${id}`)),
      ),
    ).toMatch(foreign);
  });

  test.each<readonly [string, (db: SampleWorld['scoped']['db'], id: string) => PromiseLike<unknown>]>([
    ['a where', (db, id) => db.select().from(products).where(eq(products.tenantId, id))],
    [
      'a list',
      (db, id) =>
        db
          .select()
          .from(products)
          .where(inArray(products.tenantId, [id])),
    ],
    ['an insert', (db, id) => db.insert(products).values({ tenantId: id, id: 901, sku: 'x', owner: 'x' }).returning()],
    ['an update', (db, id) => db.update(products).set({ tenantId: id }).returning()],
    [
      'a prepared query',
      (db, id) =>
        db
          .select()
          .from(products)
          .where(eq(products.tenantId, sql.placeholder('id')))
          .prepare('t')
          .execute({ id }),
    ],
  ])('as a tenant id in %s is refused, or is the scope’s own', async (_where, query) => {
    expect(await met((db) => query(db, turning() as string))).not.toMatch(foreign);
    expect(await world.admin`select 1 from pool.products where id = 901 and tenant_id <> 'beta'`).toEqual([]);
    await world.admin`delete from pool.products where id = 901`;
  });

  test('an encoder that answers a value first and SQL later never puts another’s predicate in', async () => {
    let calls = 0;
    const shifty = customType<{ data: string }>({
      dataType: () => 'text',
      toDriver: () => (calls++ < 3 ? 'only-b' : (sql`'x' or true` as never)),
    });
    const table = tenantTable('products', { id: text('id'), owner: text('owner'), sku: shifty('sku') }, (t) => [tenantKey(t.id)]);
    for (let round = 0; round < 8; round++)
      expect(await met((db) => db.select({ owner: table.owner }).from(table).where(eq(table.sku, 'y')))).not.toMatch(foreign);
  });
});

describe('an id that looks like another', () => {
  const lookalikes = [
    'gаmma',
    'ｇamma',
    'gamma\u200b',
    'gamma\u0000',
    ' gamma',
    'gamma ',
    'GAMMA',
    'gamma\n',
    'g\u0430mma',
    'ga\u00admma',
    'gammа',
  ];

  test.each(lookalikes)('%j in a query is another tenant’s and refused', async (id) => {
    await expect(asBeta((db) => db.select().from(products).where(eq(products.tenantId, id)))).rejects.toBeInstanceOf(
      CrossTenantAccessError,
    );
    await expect(asBeta((db) => db.insert(products).values({ tenantId: id, id: 902, sku: 'x', owner: 'x' }))).rejects.toBeInstanceOf(
      CrossTenantAccessError,
    );
  });

  test('control: what folds and trims ids before it compares takes some for the other', () => {
    const folded = (id: string): string =>
      id
        .normalize('NFKC')
        .replace(/[\s\0\u200b\u00ad]/g, '')
        .toLowerCase();
    expect(lookalikes.filter((id) => folded(id) === 'gamma').length).toBeGreaterThan(4);
  });
});

describe('a table that is not what it seems', () => {
  test('one whose name turns after the first look is scoped under every name; control: stock drizzle reads by the last', async () => {
    const Name = Object.getOwnPropertySymbols(products).find((symbol) => symbol.description === 'drizzle:Name')!;
    const shifting = (): typeof products =>
      new Proxy(products, { get: (target, key) => (key === Name ? 'archive' : Reflect.get(target, key)) }) as typeof products;
    expect(JSON.stringify(await stock.select({ n: sql<number>`1` }).from(shifting()))).not.toBe('[]');
    expect(await met((db) => db.select({ all: sql`string_agg(owner, ',')` }).from(shifting()))).not.toMatch(foreign);
  });

  test('one that copies another’s marks, or is a plain one of the same name, is refused; control: stock drizzle reads it', async () => {
    expect(JSON.stringify(await stock.select().from(stockProducts))).toMatch(foreign);
    expect(await met((db) => db.select().from(stockProducts as never))).toBe('UnscopedQueryError');
    const marked = pgTable('products', { owner: text('owner') });
    for (const symbol of Object.getOwnPropertySymbols(products))
      if (!symbol.description?.startsWith('drizzle'))
        Object.defineProperty(marked, symbol, Object.getOwnPropertyDescriptor(products, symbol)!);
    expect(await met((db) => db.select().from(marked as never))).not.toMatch(foreign);
  });

  test('a column of somebody else’s table in a condition widens nothing', async () => {
    const loose = pgTable('products', { owner: text('owner') });
    expect(await met((db) => db.select({ owner: products.owner }).from(products).where(sql`${loose.owner} is not null`))).not.toMatch(
      foreign,
    );
  });
});

describe('a body that a client sent', () => {
  const bodies = {
    'another tenant’s id': '{"tenantId":"gamma","id":903,"sku":"x","owner":"x"}',
    'a prototype': '{"__proto__":{"tenantId":"gamma"},"id":903,"sku":"x","owner":"x"}',
    'a constructor': '{"constructor":{"prototype":{"tenantId":"gamma"}},"id":903,"sku":"x","owner":"x"}',
    'a fragment of SQL': '{"id":903,"sku":{"queryChunks":[{"value":["(select owner from pool.products limit 1)"]}]},"owner":"x"}',
    'a placeholder': '{"id":903,"sku":{"name":"sku","encoder":{}},"owner":"x"}',
  };
  test('control: spread into a record, it chooses the tenant', () => {
    expect({ tenantId: 'beta', ...(JSON.parse(bodies['another tenant’s id']) as object) }).toMatchObject({ tenantId: 'gamma' });
  });
  test.each(Object.entries(bodies))('with %s writes for nobody else', async (_what, body) => {
    const value = JSON.parse(body) as never;
    await met((db) => db.insert(products).values(value));
    await met((db) =>
      db
        .insert(products)
        .values([value])
        .onConflictDoUpdate({ target: [products.tenantId, products.id], set: value }),
    );
    await met((db) => db.update(products).set(value).where(eq(products.id, 1)));
    expect(await world.admin`select tenant_id, sku from pool.products where id = 903 and (tenant_id <> 'beta' or sku ~ 'only')`).toEqual(
      [],
    );
    await world.admin`delete from pool.products where id = 903`;
  });
});

describe('a decoder that does more than decode', () => {
  test('reads as the scope it runs in, which is its own; control: stock drizzle reads all', async () => {
    const heard: Promise<string>[] = [];
    const spying = sql<string>`${products.owner}`.mapWith((value: string) => {
      heard.push(met((db) => db.select({ owner: products.owner }).from(products)));
      return value;
    });
    await met((db) => db.select({ owner: spying }).from(products));
    expect(heard.length).toBeGreaterThan(0);
    for (const answer of await Promise.all(heard)) expect(answer).not.toMatch(foreign);
    expect(JSON.stringify(await stock.select({ owner: spying }).from(products))).toMatch(foreign);
  });
});

describe('what a service holds', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await createShop({ tenants: [{ id: 'acme', tier: 'standard' }] });
  });
  afterAll(async () => {
    await shop?.close();
  });

  test('shows no password and no key to whoever prints it; control: its URL does', async () => {
    await shop.tenancy.run('acme', () => shop.tenancy.sql`select 1`);
    const { password } = new URL(shop.serviceCatalogUrl);
    const printed = inspect(shop.tenancy, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true, maxStringLength: null });
    expect(printed).not.toContain(password);
    expect(printed).not.toMatch(/KeyObject|inner_pad|CryptoKey/);
    expect(inspect({ url: shop.serviceCatalogUrl })).toContain(password);
  });

  test('lets nobody turn one tenant into another: the tenant of a scope is frozen to its depths', async () => {
    await shop.tenancy.run('acme', () => {
      const deep = (value: unknown, path: string): void => {
        if (typeof value !== 'object' || value === null) return;
        expect(Object.isFrozen(value), path).toBe(true);
        for (const [key, inner] of Object.entries(value)) deep(inner, `${path}.${key}`);
      };
      deep(shop.tenancy.current(), 'tenant');
    });
  });

  test.each<readonly [unknown, typeof InvalidTenantIdError | typeof UnknownTenantError]>([
    ['аcme', InvalidTenantIdError],
    ['acme\0', InvalidTenantIdError],
    ['ACME', InvalidTenantIdError],
    ['*', InvalidTenantIdError],
    ['acme:globex', InvalidTenantIdError],
    ['__proto__', InvalidTenantIdError],
    ['constructor', UnknownTenantError],
    [['acme'], InvalidTenantIdError],
    [{ toString: () => 'acme' }, InvalidTenantIdError],
    [Object('acme'), InvalidTenantIdError],
    [Symbol('acme'), InvalidTenantIdError],
    [null, InvalidTenantIdError],
  ])('opens no scope for %o; control: it does for the id', async (id, kind) => {
    await expect(shop.tenancy.run(id as string, () => 1)).rejects.toBeInstanceOf(kind);
    expect(await shop.tenancy.run('acme', () => shop.tenancy.current().id)).toBe('acme');
  });
});

async function polluted<T>(key: string, value: unknown, callback: () => Promise<T>): Promise<T> {
  Object.defineProperty(Object.prototype, key, { value, configurable: true, writable: true, enumerable: false });
  try {
    return await callback();
  } finally {
    delete (Object.prototype as Record<string, unknown>)[key];
  }
}
