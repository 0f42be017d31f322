import { afterAll, beforeAll, expect, test } from 'vitest';
import { CatalogError } from '../../../src/errors.ts';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import type { TestPlatform } from '../../../src/testing/test-platform.ts';
import { createShop } from '../../support/shop/platform.ts';
import { products } from '../../support/shop/schema.ts';

let shop: Awaited<ReturnType<typeof createShop>> & Pick<TestPlatform<never>, 'adminUrl'>;

beforeAll(async () => {
  shop = await createShop({
    tenants: [
      { id: 'acme', tier: 'standard' },
      { id: 'initech', tier: 'enterprise' },
    ],
  });
});
afterAll(async () => await shop?.close());

const inCatalog = async (text: string) =>
  await withClient(urlFor(shop.adminUrl, { database: `${shop.rolePrefix}_catalog` }), async (sql) => await sql.unsafe(text));
/** The keys whose contexts the shared database understands: one that is not there is refused (test/attacks/context-token.test.ts). */
const installed = async (): Promise<readonly unknown[]> =>
  await withClient(urlFor(shop.adminUrl, { database: `${shop.rolePrefix}_shared` }), async (sql) =>
    (await sql`select key_id from tenancy.context_keys order by 1`).map((row) => row['key_id']),
  );
const signedWith = async (tenant: string): Promise<string> => {
  const [row] = await shop.tenancy.run(
    tenant,
    () => shop.tenancy.sql<{ key: string }>`select split_part(current_setting('tenancy.context'), ':', 2) as key`,
  );
  return row!.key;
};

test('a key is replaced while services run: nothing is refused, old contexts hold until theirs is retired', async () => {
  const { tenancy, control } = shop;
  let running = true;
  let served = 0;
  const load = (async () => {
    while (running) {
      for (const id of ['acme', 'initech']) await tenancy.run(id, () => tenancy.db.$count(products));
      served += 1;
    }
  })();
  try {
    expect(await signedWith('acme')).toBe('k1');
    expect(await control.rotateContextKey({ actor: 'ada' })).toEqual({ keyId: 'k2' });
    await expect.poll(() => signedWith('acme'), { timeout: 20_000 }).toBe('k2');
    await expect.poll(() => signedWith('initech'), { timeout: 20_000 }).toBe('k2');
    expect(await installed()).toEqual(['k1', 'k2']);
    await expect(control.retireContextKeys()).rejects.toThrow(CatalogError);
    const before = served;
    await expect.poll(() => served, { timeout: 20_000 }).toBeGreaterThan(before + 1);
    await inCatalog(`update tenancy.context_masters set created_at = created_at - interval '11 minutes'`);
    expect(await control.retireContextKeys()).toEqual({ retired: ['k1'] });
    expect(await control.retireContextKeys()).toEqual({ retired: [] });
    const afterwards = served;
    await expect.poll(() => served, { timeout: 20_000 }).toBeGreaterThan(afterwards + 1);
  } finally {
    running = false;
    await load;
  }
  expect(await installed()).toEqual(['k2']);
  expect((await control.verify()).findings).toEqual([]);
  // Recorded before it began and after it ended, a refused retirement too; newest first.
  const entries = await control.auditEntries({ action: 'key' });
  expect(entries.map(({ reason, outcome, actor, errorCode, detail }) => [reason, outcome, actor, errorCode, detail])).toEqual([
    ['context key retirement', 'completed', undefined, undefined, { retired: '' }],
    ['context key retirement', 'allowed', undefined, undefined, {}],
    ['context key retirement', 'completed', undefined, undefined, { retired: 'k1' }],
    ['context key retirement', 'allowed', undefined, undefined, {}],
    ['context key retirement', 'failed', undefined, 'CATALOG', {}],
    ['context key retirement', 'allowed', undefined, undefined, {}],
    ['context key rotation', 'completed', 'ada', undefined, { keyId: 'k2' }],
    ['context key rotation', 'allowed', 'ada', undefined, {}],
  ]);
});
