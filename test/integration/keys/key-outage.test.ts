import { readFile, writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeyManagerError } from '../../../src/errors.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import { products } from '../../support/shop/schema.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await createShop({ tenants: [{ id: 'initech', tier: 'enterprise' }] });
  await shop.tenancy.run('initech', () => shop.tenancy.db.insert(products).values({ sku: 'a', stock: 1, supplierIban: 'an iban' }));
}, 60_000);
afterAll(async () => await shop?.close());

const read = async (tenancy: Shop['tenancy']): Promise<unknown> =>
  await tenancy.run('initech', async () => (await tenancy.db.select().from(products))[0]!.supplierIban);
const failureOf = async (tenancy: Shop['tenancy']): Promise<unknown> =>
  await read(tenancy).catch((error: unknown) => (error instanceof KeyManagerError ? error.reason : error));

test('reads go on while the key manager is away, within the grace period only', async () => {
  const patient = await shop.open({ keys: { ttlMs: 300, refreshMs: 200, staleGraceMs: 600_000 } });
  const impatient = await shop.open({ keys: { ttlMs: 300, refreshMs: 200, staleGraceMs: 0 } });
  for (const tenancy of [patient, impatient]) expect(await read(tenancy)).toBe('an iban');
  const file = /\((.*), /.exec(inspect(shop.keyManagers()[0]))![1]!;
  const keys = await readFile(file);
  await writeFile(file, 'not a key file');
  try {
    await expect.poll(() => failureOf(impatient), { timeout: 20_000 }).toBe('unavailable');
    for (let n = 0; n < 20; n++) expect(await read(patient)).toBe('an iban');
    // Who has no keys yet gets none.
    const late = await shop.open();
    expect(await failureOf(late)).toBe('unavailable');
  } finally {
    await writeFile(file, keys);
  }
  await expect.poll(() => failureOf(impatient), { timeout: 20_000 }).toBe('an iban');
});

test('a key that is disabled stops reads within the time that the service was given, whatever the grace period', async () => {
  const quick = await shop.open({ keys: { ttlMs: 1_000, refreshMs: 500, staleGraceMs: 600_000 } });
  expect(await read(quick)).toBe('an iban');
  expect(await read(shop.tenancy)).toBe('an iban');
  const [kms] = shop.keyManagers();
  const [status] = await shop.control.keyStatus('initech');
  await kms!.disable(status!.keks[0]!.keyRef);
  await expect.poll(() => failureOf(quick), { timeout: 20_000 }).toBe('disabled');
  // Control: a service that was given five minutes goes on.
  expect(await read(shop.tenancy)).toBe('an iban');
  const refusals = await shop.control.auditEntries({ action: 'key', tenantId: 'initech', outcome: 'refused' });
  expect(refusals[0]).toMatchObject({
    reason: 'unwrap',
    errorCode: 'KEY_MANAGER',
    detail: expect.objectContaining({ refusal: 'disabled' }),
  });
  await kms!.close();
});
