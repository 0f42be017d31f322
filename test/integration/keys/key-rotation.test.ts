import { eq } from 'drizzle-orm';
import { integer, text } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyVersionOf } from '../../../src/crypto/column-codec.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { AbortedError, CatalogError, ConfigurationError, DecryptionError } from '../../../src/errors.ts';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import { openPostgresPool } from '../../../src/routing/open-postgres-pool.ts';
import { boundProducts } from '../../support/shop/bound-products.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import { poolTiers } from '../../support/shop/pool-tier.ts';
import * as schema from '../../support/shop/schema.ts';
import { products } from '../../support/shop/schema.ts';
import { wireTenancy } from '../../support/wired-tenancy.ts';

const rows = 60;
/** The same table, as a service declares it that hides lengths: its values have another flag. */
const padded = tenantTable('products', {
  sku: text('sku').notNull(),
  stock: integer('stock').notNull(),
  supplierIban: encryptedText('supplier_iban', { pad: 32 }),
});
let shop: Shop;
let other: Shop['tenancy'];

beforeAll(async () => {
  shop = await createShop({
    tiers: poolTiers,
    tenants: [
      { id: 'acme', tier: 'standard' },
      { id: 'initech', tier: 'enterprise' },
      { id: 'pool-a', tier: 'pool' },
      { id: 'pool-b', tier: 'pool' },
      { id: 'slow', tier: 'standard' },
      { id: 'bound', tier: 'pool' },
    ],
  });
  other = await shop.open();
  for (const tenant of ['acme', 'initech', 'pool-a', 'pool-b', 'slow']) {
    await shop.tenancy.run(tenant, async () => {
      await shop.tenancy.db
        .insert(products)
        .values(
          Array.from({ length: rows / 2 }, (_, n) => ({ sku: `sku-${n}`, stock: 0, supplierIban: n % 10 === 0 ? null : `${tenant}-${n}` })),
        );
      await shop.tenancy.db.insert(padded).values(
        Array.from({ length: rows / 2 }, (_, n) => ({
          sku: `sku-${n + 30}`,
          stock: 0,
          supplierIban: n % 10 === 0 ? null : `${tenant}-${n + 30}`,
        })),
      );
    });
  }
}, 60_000);
afterAll(async () => await shop?.close());

/** The versions that a tenant's stored values have, newest last, read past the library. */
async function storedVersions(tenant: string): Promise<readonly number[]> {
  const { placement } = await shop.control.tenant(tenant);
  return await withClient(urlFor(shop.adminUrl, { database: placement!.database }), async (sql) => {
    const found = await sql.unsafe<{ value: Buffer }[]>(
      `select supplier_iban as value from ${placement!.schema}.products where tenant_id = '${tenant}' and supplier_iban is not null`,
    );
    return [...new Set(found.map(({ value }) => keyVersionOf(value)))].sort((a, b) => a - b);
  });
}

const readAll = async (tenancy: Shop['tenancy'], tenant: string): Promise<number> =>
  await tenancy.run(tenant, async () => {
    const found = await tenancy.db.select().from(products);
    for (const { sku, supplierIban } of found) {
      if (supplierIban !== null && !supplierIban.startsWith(`${tenant}-${sku.slice(4)}`)) throw new Error(`${sku} holds ${supplierIban}`);
    }
    return found.length;
  });

test.each(['acme', 'initech', 'pool-a'])(
  'the data key of %s is replaced while others read and write: every row readable, no write lost',
  async (tenant) => {
    let running = true;
    let reads = 0;
    const written = new Map<string, string>();
    const load = [shop.tenancy, other].flatMap((tenancy, service) => [
      (async () => {
        while (running) {
          expect(await readAll(tenancy, tenant)).toBe(rows);
          reads += 1;
        }
      })(),
      (async () => {
        for (let turn = 0; running; turn++) {
          // Each service writes rows of its own, so that the last write of each is known.
          const n = 1 + service + 2 * (turn % 20);
          const value = `${tenant}-${n} by ${service} turn ${turn}`;
          await tenancy.run(tenant, () =>
            tenancy.db
              .update(products)
              .set({ supplierIban: value })
              .where(eq(products.sku, `sku-${n}`)),
          );
          written.set(`sku-${n}`, value);
        }
      })(),
    ]);
    const heard: number[] = [];
    try {
      const report = await shop.control.rotateKeys(tenant, { actor: 'ada', batchSize: 7, onProgress: ({ done }) => heard.push(done) });
      expect(report).toMatchObject({ version: 2, resumed: false, step: 'done', remaining: 0, unreadable: 0, retired: [1], waitingFor: [] });
      expect(report.rewritten).toBeGreaterThan(0);
      expect(heard.at(-1)).toBe(report.rewritten);
      const before = reads;
      await expect.poll(() => reads, { timeout: 20_000 }).toBeGreaterThan(before + 1);
    } finally {
      running = false;
      await Promise.all(load);
    }
    expect(await storedVersions(tenant)).toEqual([2]);
    expect(written.size).toBeGreaterThan(0);
    const now = await shop.tenancy.run(tenant, () => shop.tenancy.db.select().from(products));
    for (const { sku, supplierIban } of now) if (written.has(sku)) expect(supplierIban).toBe(written.get(sku));
    const [status] = await shop.control.keyStatus(tenant);
    expect(status).toMatchObject({
      dataKeys: [
        { version: 1, state: 'retired' },
        { version: 2, state: 'active' },
      ],
      indexSecret: true,
      rotation: { version: 2, step: 'done', finishedAt: expect.any(Date) },
      problems: [],
    });
    expect(await shop.control.auditEntries({ action: 'key', tenantId: tenant })).toEqual(
      expect.arrayContaining([expect.objectContaining({ outcome: 'completed', reason: 'rotate', actor: 'ada', targetTenantId: tenant })]),
    );
  },
);

test('a tenant of the same pool keeps its own key and rows', async () => {
  expect(await storedVersions('pool-b')).toEqual([1]);
  expect(await readAll(shop.tenancy, 'pool-b')).toBe(rows);
});

test('an aborted rotation goes on where it was; its state tells how many rows are left', async () => {
  const stop = new AbortController();
  await expect(
    shop.control.rotateKeys('slow', { batchSize: 5, signal: stop.signal, onProgress: ({ done }) => done >= 15 && stop.abort() }),
  ).rejects.toBeInstanceOf(AbortedError);
  const [status] = await shop.control.keyStatus('slow');
  expect(status!.rotation).toMatchObject({ version: 2, step: 'current' });
  expect(status!.dataKeys.map(({ state, values }) => [state, values])).toEqual([
    ['active', 39],
    ['active', 15],
  ]);
  expect(await readAll(other, 'slow')).toBe(rows);
  expect(await shop.control.rotateKeys('slow')).toMatchObject({ resumed: true, version: 2, step: 'done', rewritten: 54, retired: [1] });
  expect(await storedVersions('slow')).toEqual([2]);
  expect(await shop.control.rotateKeys('slow')).toMatchObject({ resumed: false, version: 3, step: 'done', rewritten: 54, retired: [2] });
});

test('values that do not open at their place stay as they are, are told of, and hold up nobody', async () => {
  const { placement } = await shop.control.tenant('slow');
  await withClient(urlFor(shop.adminUrl, { database: placement!.database }), async (sql) => {
    await sql.unsafe(
      `update slow.products set supplier_iban = set_byte(supplier_iban, 70, get_byte(supplier_iban, 70) # 1) where sku = 'sku-1'`,
    );
    await sql.unsafe(`update slow.products set supplier_iban = '\\xe1' where sku = 'sku-2'`);
  });
  expect(await shop.control.rotateKeys('slow')).toMatchObject({ step: 'done', rewritten: 52, unreadable: 1 });
  expect(await storedVersions('slow').catch((error: Error) => error.name)).toBe('DecryptionError');
});

test('values that are bound to their row are rewritten for that row; those of another row’s stay as they are', async () => {
  const { db } = shop.tenancy;
  const run = <T>(callback: () => PromiseLike<T>) => shop.tenancy.run('bound', callback);
  const skus = Array.from({ length: 30 }, (_, n) => `sku-${n}`);
  await run(() => db.insert(boundProducts).values(skus.map((sku) => ({ sku, stock: 0, supplierIban: `of ${sku}` }))));
  const wrong = async () =>
    (await run(() => db.select().from(boundProducts))).filter(({ sku, supplierIban }) => supplierIban !== `of ${sku}`);
  const stop = new AbortController();
  await expect(
    shop.control.rotateKeys('bound', { batchSize: 5, signal: stop.signal, onProgress: ({ done }) => done >= 15 && stop.abort() }),
  ).rejects.toBeInstanceOf(AbortedError);
  expect(await wrong()).toEqual([]);
  expect(await shop.control.rotateKeys('bound')).toMatchObject({
    resumed: true,
    version: 2,
    step: 'done',
    rewritten: 30,
    remaining: 0,
    unreadable: 0,
    retired: [1],
  });
  expect(await storedVersions('bound')).toEqual([2]);
  expect(await wrong()).toEqual([]);

  const { placement } = await shop.control.tenant('bound');
  const swap = async () =>
    await withClient(
      urlFor(shop.adminUrl, { database: placement!.database }),
      async (sql) =>
        await sql`update pool.products a set supplier_iban = b.supplier_iban from pool.products b
          where a.tenant_id = 'bound' and b.tenant_id = 'bound' and (a.sku, b.sku) in (('sku-1', 'sku-2'), ('sku-2', 'sku-1'))`,
    );
  await swap();
  await expect(wrong()).rejects.toBeInstanceOf(DecryptionError);
  expect(await shop.control.rotateKeys('bound')).toMatchObject({ version: 3, step: 'done', rewritten: 28, remaining: 0, unreadable: 2 });
  await expect(wrong()).rejects.toBeInstanceOf(DecryptionError);
  // They were not made to fit: back in their rows they open, and until then their version is not destroyed.
  await expect(shop.control.destroyRetiredKey('bound', 2)).rejects.toThrow(/2 values of products.supplier_iban/);
  await swap();
  expect(await wrong()).toEqual([]);
  expect(await shop.control.rotateKeys('bound')).toMatchObject({ version: 4, step: 'done', rewritten: 30, unreadable: 0 });
});

test('writers go on with the old version until every process that may hold keys can read the new one', async () => {
  const inCatalog = async (text: string) =>
    await withClient(urlFor(shop.adminUrl, { database: `${shop.rolePrefix}_catalog` }), async (sql) => await sql.unsafe(text));
  await inCatalog(
    `insert into tenancy.processes (id, name, key_life_ms, providers, acknowledged)
     values ('00000000-0000-4000-8000-000000000001', 'deaf@host:1', 600000, '{}', 0)`,
  );
  const waiting = await shop.control.rotateKeys('acme', { waitMs: 300 });
  expect(waiting).toMatchObject({ version: 3, step: 'published', rewritten: 0, waitingFor: [{ name: 'deaf@host:1' }] });
  expect(waiting.waitingFor[0]!.keysEndAt.getTime()).toBeGreaterThan(Date.now() + 500_000);
  await shop.tenancy.run('acme', () => shop.tenancy.db.update(products).set({ supplierIban: 'acme-1' }).where(eq(products.sku, 'sku-1')));
  expect(await storedVersions('acme')).toEqual([2]);
  // Once its keys have ended by themselves nobody waits for it.
  await inCatalog(`update tenancy.processes set key_life_ms = 0 where name = 'deaf@host:1'`);
  expect(await shop.control.rotateKeys('acme')).toMatchObject({ version: 3, resumed: true, step: 'done', retired: [2] });
  expect(await storedVersions('acme')).toEqual([3]);
});

test('one process changes a tenant’s keys at a time, and options that make no sense are refused', async () => {
  const both = await Promise.allSettled([shop.control.rotateKeys('initech'), shop.control.rotateKeys('initech')]);
  const refused = both.filter((one) => one.status === 'rejected');
  expect(refused).toHaveLength(1);
  expect(refused[0]!.reason).toBeInstanceOf(CatalogError);
  await expect(shop.control.rotateKeys('acme', { batchSize: 0 })).rejects.toBeInstanceOf(ConfigurationError);
  await expect(shop.control.rotateKeys('acme', { rowsPerSecond: -1 })).rejects.toBeInstanceOf(ConfigurationError);
});

test('control: a service that the control plane does not know, and that nobody tells, can’t read what others write with the new version', async () => {
  await using unknown = await wireTenancy(shop, { schema, tiers: poolTiers, openPool: openPostgresPool({ applicationName: 'unknown' }) });
  const read = async () => await unknown.run('pool-b', () => unknown.db.select().from(products));
  expect(await read()).toHaveLength(rows);
  expect(await shop.control.rotateKeys('pool-b')).toMatchObject({ step: 'done' });
  await expect(read()).rejects.toBeInstanceOf(DecryptionError);
  expect(await readAll(other, 'pool-b')).toBe(rows);
});

test('a retired version is destroyed when no value has it, and no other is', async () => {
  await expect(shop.control.destroyRetiredKey('pool-b', 2)).rejects.toBeInstanceOf(CatalogError);
  await expect(shop.control.destroyRetiredKey('pool-b', 7)).rejects.toBeInstanceOf(CatalogError);
  // A value that a backup brought back: a service reads it, and it holds up the destruction.
  const { placement } = await shop.control.tenant('pool-b');
  await withClient(urlFor(shop.adminUrl, { database: placement!.database }), async (sql) => {
    await sql`update pool.products set supplier_iban = set_byte(supplier_iban, 5, 1) where tenant_id = 'pool-b' and sku = 'sku-1'`;
    await expect(shop.control.destroyRetiredKey('pool-b', 1)).rejects.toThrow(/1 values of products.supplier_iban/);
    await sql`update pool.products set supplier_iban = set_byte(supplier_iban, 5, 2) where tenant_id = 'pool-b' and sku = 'sku-1'`;
  });
  await shop.control.destroyRetiredKey('pool-b', 1, { actor: 'ada' });
  expect((await shop.control.keyStatus('pool-b'))[0]!.dataKeys.map(({ version }) => version)).toEqual([2]);
  expect(await readAll(shop.tenancy, 'pool-b')).toBe(rows);
  expect(await shop.control.rotateKeys('pool-b')).toMatchObject({ version: 3, step: 'done', retired: [2] });
});
