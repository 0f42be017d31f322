import { inArray } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ConfigurationError, NoTenantError } from '../../src/errors.ts';
import type { Tenancy } from '../../src/tenancy.ts';
import { createShop, type Shop } from '../support/shop/platform.ts';
import { products } from '../support/shop/schema.ts';

let shop: Shop;
let tenancy: Tenancy<{ products: typeof products }>;
const stocks = { acme: 1, globex: 2 } as const;

beforeAll(async () => {
  shop = await createShop({ tenants: Object.keys(stocks).map((id) => ({ id, tier: 'standard' })) });
  tenancy = shop.tenancy as never;
  for (const [id, stock] of Object.entries(stocks))
    await tenancy.run(id, () => tenancy.db.insert(products).values(['a', 'b', 'c'].map((sku) => ({ sku, stock }))));
});
afterAll(async () => {
  await shop?.close();
});

/** Every call of the callback: whose it was, and for which keys. */
const calls: string[] = [];
beforeEach(() => {
  calls.length = 0;
});
async function stockOf(skus: readonly string[]): Promise<(number | undefined)[]> {
  calls.push(`${tenancy.currentOrNull()?.id}: ${skus.join()}`);
  const rows = await tenancy.db
    .select()
    .from(products)
    .where(inArray(products.sku, [...skus]));
  return skus.map((sku) => rows.find((row) => row.sku === sku)?.stock);
}

/** A loader as services write it: one cache and one batch for the process. */
function sharedLoader(): { load(key: string): Promise<number | undefined> } {
  const values = new Map<string, Promise<number | undefined>>();
  let batch: { readonly keys: string[]; readonly answer: Promise<(number | undefined)[]> } | undefined;
  return {
    load: async (key) => {
      const known = values.get(key);
      if (known !== undefined) return await known;
      if (batch === undefined) {
        const keys: string[] = [];
        const answer = new Promise((resolve) => {
          setImmediate(resolve);
        }).then(() => {
          batch = undefined;
          return stockOf(keys);
        });
        batch = { keys, answer };
      }
      const { keys, answer } = batch;
      const index = keys.push(key) - 1;
      const value = answer.then((all) => all[index]);
      values.set(key, value);
      return await value;
    },
  };
}

const each = (loader: { load(key: string): Promise<number | undefined> }, key: (id: string) => string) =>
  Promise.all(Object.keys(stocks).map((id) => tenancy.run(id, () => loader.load(key(id)))));

describe('a loader that all requests share', () => {
  test('control: one cache, or one batch, hands B what was A’s', async () => {
    expect(await each(sharedLoader(), () => 'a')).toEqual([1, 1]);
    expect(await each(sharedLoader(), (id) => (id === 'acme' ? 'a' : 'b'))).toEqual([1, 1]);
  });

  test('of tenancy answers each tenant its own, at once and later, in batches of one scope', async () => {
    const loader = tenancy.loader(stockOf);
    expect(await each(loader, () => 'a')).toEqual([1, 2]);
    expect(await each(loader, (id) => (id === 'acme' ? 'a' : 'b'))).toEqual([1, 2]);
    calls.length = 0;
    await Promise.all(
      Object.entries(stocks).map(([id, stock]) =>
        tenancy.run(id, async () => {
          expect(await Promise.all(['a', 'b', 'a'].map((sku) => loader.load(sku)))).toEqual([stock, stock, stock]);
          expect(await loader.load('b')).toBe(stock);
          expect(await loader.load('nowhere')).toBeUndefined();
        }),
      ),
    );
    expect(calls.sort()).toEqual(['acme: a,b', 'acme: nowhere', 'globex: a,b', 'globex: nowhere']);
  });

  test('keeps nothing for the tenant’s next scope, and takes no key outside a scope or after one', async () => {
    const loader = tenancy.loader(stockOf);
    for (let time = 0; time < 2; time++) await tenancy.run('acme', () => loader.load('a'));
    expect(calls).toEqual(['acme: a', 'acme: a']);
    await expect(loader.load('a')).rejects.toBeInstanceOf(NoTenantError);
    expect(() => loader.clear('a')).toThrow(NoTenantError);
    const left: Promise<unknown>[] = [];
    await tenancy.run('acme', () => {
      const asked = loader.load('b');
      left.push(asked.catch((error: unknown) => error));
      left.push(new Promise((resolve) => setImmediate(resolve)).then(() => loader.load('c')).catch((error: unknown) => error));
    });
    for (const error of await Promise.all(left)) expect(error).toBeInstanceOf(NoTenantError);
    expect(calls).toHaveLength(2);
  });

  test('reads what a transaction wrote in that transaction only', async () => {
    const loader = tenancy.loader(stockOf);
    await tenancy.run('acme', async () => {
      expect(await loader.load('a')).toBe(1);
      const undone = tenancy.transaction(async (tx) => {
        await tx.update(products).set({ stock: 9 });
        expect(await loader.load('a')).toBe(9);
        expect(await loader.load('b')).toBe(9);
        tx.rollback();
      });
      await expect(undone).rejects.toThrow('Rollback');
      expect(await Promise.all([loader.load('a'), loader.load('b')])).toEqual([1, 1]);
    });
  });

  test('forgets what failed and what is cleared, and holds its callback to one value for each key', async () => {
    let fails = true;
    const loader = tenancy.loader(
      async (keys: readonly string[]) => {
        calls.push(keys.join());
        if (fails) throw new Error('away');
        return keys.includes('short') ? [] : keys;
      },
      { maxBatchSize: 2 },
    );
    await tenancy.run('acme', async () => {
      await expect(Promise.all([loader.load('a'), loader.load('b'), loader.load('c')])).rejects.toThrow('away');
      expect(calls).toEqual(['a,b', 'c']);
      fails = false;
      expect(await loader.load('a')).toBe('a');
      loader.clear('a');
      expect(await loader.load('a')).toBe('a');
      expect(calls).toEqual(['a,b', 'c', 'a', 'a']);
      await expect(loader.load('short')).rejects.toBeInstanceOf(ConfigurationError);
    });
    for (const maxBatchSize of [0, -1, Number.NaN]) expect(() => tenancy.loader(stockOf, { maxBatchSize })).toThrow(ConfigurationError);
  });
});
