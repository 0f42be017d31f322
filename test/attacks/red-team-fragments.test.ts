import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withClient } from '../../src/provision/admin-client.ts';
import { adminUrl } from '../support/server.ts';
import { createShop, type Shop } from '../support/shop/platform.ts';
import { products } from '../support/shop/schema.ts';

/** A fragment of SQL inside a builder is the caller's SQL as well: what it leaves on the lane meets the next tenant there. */
describe('session state left by fragments inside builders', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await createShop({
      lanes: { maxPerDatabase: 1 },
      tenants: [
        { id: 'acme', tier: 'standard' },
        { id: 'globex', tier: 'standard' },
      ],
    });
    await shop.tenancy.run('acme', () => shop.tenancy.db.insert(products).values({ sku: 'acme-secret', stock: 1 }));
  });
  afterAll(async () => {
    await shop?.close();
  });

  const poison = {
    setting: sql`set_config('TimeZone', 'Asia/Tokyo', false)`,
    readOnly: sql`set_config('default_transaction_read_only', 'on', false)`,
    lock: sql`pg_advisory_lock(4711)`,
  };
  const state = {
    zone: sql<string>`current_setting('TimeZone')`,
    readOnly: sql<string>`current_setting('transaction_read_only')`,
    pid: sql<number>`pg_catalog.pg_backend_pid()`,
  };
  const seenBy = async (tenantId: string) => {
    const [seen] = await shop.tenancy.run(tenantId, () => shop.tenancy.db.select(state).from(sql`(select 1) one`));
    // A tenant's session can't look at locks.
    const locks = await withClient(
      adminUrl(),
      async (admin) => await admin`select from pg_catalog.pg_locks where locktype = 'advisory' and pid = ${seen!.pid}`,
    );
    return { ...seen, locks: locks.length };
  };

  test('control: on a connection that nobody cleans, the next transaction has them', async () => {
    const client = postgres(adminUrl(), { max: 1, fetch_types: false });
    await client.begin(async (tx) => {
      await tx`select set_config('TimeZone', 'Asia/Tokyo', false), set_config('default_transaction_read_only', 'on', false), pg_advisory_lock(4711)`;
    });
    const [seen] = await client.begin(
      async (tx) => await tx`select current_setting('TimeZone') as zone, current_setting('transaction_read_only') as "readOnly"`,
    );
    expect(seen).toEqual({ zone: 'Asia/Tokyo', readOnly: 'on' });
    await client.end();
  });

  const ways: Record<string, () => Promise<unknown>> = {
    'a field': () => Promise.resolve(shop.tenancy.db.select(poison).from(products)),
    'a condition': () =>
      Promise.resolve(
        shop.tenancy.db
          .select()
          .from(products)
          .where(sql`${poison.setting} || ${poison.readOnly} is not null and ${poison.lock}::text is not null`),
      ),
    'a quoted name': () =>
      Promise.resolve(
        shop.tenancy.db.select({ a: sql`"pg_catalog"."set_config" ('TimeZone', 'Asia/Tokyo', false)`, lock: poison.lock }).from(products),
      ),
    'a relational query': () =>
      shop.tenancy.db.query.products.findMany({
        extras: { a: sql`${poison.setting} || ${poison.readOnly} || ${poison.lock}::text`.as('a') },
      }) as Promise<unknown>,
    'an update': () => Promise.resolve(shop.tenancy.db.update(products).set({ sku: sql`${products.sku} || left(${poison.setting}, 0)` })),
    'a prepared query': () => shop.tenancy.db.select(poison).from(products).prepare('poison').execute(),
    'a transaction': () =>
      shop.tenancy.db.transaction(async (tx) => {
        await tx.select(poison).from(products);
        await tx.select().from(products);
      }),
    'a savepoint': () =>
      shop.tenancy.db.transaction(async (tx) => {
        await tx.transaction(async (inner) => await inner.select(poison).from(products));
      }),
    'a query that fails': () =>
      Promise.resolve(shop.tenancy.db.select({ ...poison, fail: sql`1 / (${products.stock} - 1)` }).from(products)).catch(() => {}),
    'a transaction that is rolled back': () =>
      shop.tenancy.db
        .transaction(async (tx) => {
          await tx.select(poison).from(products);
          throw new Error('no');
        })
        .catch(() => {}),
  };

  test.each(Object.keys(ways))('through %s is gone before the next tenant’s unit', async (way) => {
    const before = await seenBy('globex');
    await shop.tenancy.run('acme', async () => await ways[way]!());
    expect(await seenBy('globex')).toEqual(before);
    expect(before).toMatchObject({ readOnly: 'off', locks: 0 });
  });
});
