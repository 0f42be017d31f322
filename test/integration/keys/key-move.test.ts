import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createControlPlane } from '../../../src/control.ts';
import type { ControlPlane } from '../../../src/control-plane.ts';
import { newDataKey } from '../../../src/crypto/data-key.ts';
import { ConfigurationError, ResidencyError } from '../../../src/errors.ts';
import type { KeyManager } from '../../../src/kms/key-manager.ts';
import { LocalKeyManager } from '../../../src/kms/local.ts';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import { products } from '../../support/shop/schema.ts';

/** Wraps another key than it was given. */
class Liar extends LocalKeyManager {
  override async wrap(...[keyRef, _, context]: Parameters<LocalKeyManager['wrap']>) {
    return await super.wrap(keyRef, newDataKey(), context);
  }
}

const regions = ['us-east-1', 'eu-west-1', 'ap-south-1'];
let shop: Shop;

beforeAll(async () => {
  const compliance = { data_residency: ['us-east-1', 'eu-west-1'] };
  shop = await createShop({
    regions,
    tenants: [
      { id: 'acme', tier: 'standard', compliance },
      { id: 'initech', tier: 'enterprise', compliance },
      { id: 'umbrella', tier: 'premium', compliance },
    ],
  });
  for (const tenant of ['acme', 'initech', 'umbrella']) {
    await shop.tenancy.run(tenant, () =>
      shop.tenancy.db.insert(products).values({ sku: 'a', stock: 1, supplierIban: `iban of ${tenant}` }),
    );
  }
}, 60_000);
afterAll(async () => await shop?.close());

const read = async (tenant: string): Promise<unknown> =>
  await shop.tenancy.run(tenant, async () => (await shop.tenancy.db.select().from(products))[0]!.supplierIban);
const stored = async (tenant: string): Promise<unknown> => {
  const { placement } = await shop.control.tenant(tenant);
  return await withClient(
    urlFor(shop.adminUrl, { database: placement!.database }),
    async (sql) => await sql.unsafe(`select * from ${placement!.schema}.products`),
  );
};
const kekOf = async (tenant: string) => (await shop.control.keyStatus(tenant))[0]!.keks.find(({ wraps }) => wraps > 0)!;

test('keys move to another key manager while a service reads; no row is rewritten, the former KEK stays until it is to go', async () => {
  const before = await stored('initech');
  const former = await kekOf('initech');
  expect(await read('initech')).toBe('iban of initech');
  const moved = await shop.control.moveKeys('initech', { provider: 'local/eu-west-1', actor: 'ada' });
  expect(moved).toMatchObject({
    rewrapped: 2,
    from: { provider: 'local/us-east-1', keyRef: former.keyRef },
    to: { provider: 'local/eu-west-1' },
    disabled: [],
  });
  expect(await kekOf('initech')).toMatchObject({
    provider: 'local/eu-west-1',
    owner: 'tenant',
    catalogState: 'active',
    wraps: 2,
    state: 'enabled',
  });
  expect(await read('initech')).toBe('iban of initech');
  const [us] = shop.keyManagers();
  expect((await us!.describe(former.keyRef)).state).toBe('enabled');
  // Run again, it finds the keys where they should be, and only disables.
  expect(await shop.control.moveKeys('initech', { provider: 'local/eu-west-1', disableOld: true })).toMatchObject({
    disabled: [former.keyRef],
    to: moved.to,
  });
  expect((await us!.describe(former.keyRef)).state).toBe('disabled');
  expect(await read('initech')).toBe('iban of initech');
  expect(await stored('initech')).toEqual(before);
  await us!.close();
});

test('a tenant under the platform’s KEK gets one of its own, and goes back', async () => {
  expect(await kekOf('acme')).toMatchObject({ owner: 'platform' });
  await shop.control.moveKeys('acme', { protection: 'software' });
  expect(await kekOf('acme')).toMatchObject({ owner: 'tenant', wraps: 2 });
  expect(await read('acme')).toBe('iban of acme');
  await shop.control.moveKeys('acme');
  expect(await kekOf('acme')).toMatchObject({ owner: 'platform', wraps: 2 });
  expect(await read('acme')).toBe('iban of acme');
});

test('less than the tier asks for, a region that is not allowed, and services without the key manager are refused before anything is made', async () => {
  const before = await shop.control.keyStatus();
  await expect(shop.control.moveKeys('umbrella', { protection: 'software' })).rejects.toBeInstanceOf(ConfigurationError);
  await expect(shop.control.moveKeys('acme', { provider: 'local/ap-south-1' })).rejects.toBeInstanceOf(ResidencyError);
  const poor = await shop.open({ kms: shop.keyManagers().slice(0, 1) });
  await poor.run('acme', () => poor.db.select().from(products));
  await expect(shop.control.moveKeys('acme', { provider: 'local/eu-west-1' })).rejects.toMatchObject({ code: 'CATALOG', retryable: true });
  expect(await shop.control.keyStatus()).toEqual(before);
  // Control: without that service it goes.
  await poor.close();
  expect(await shop.control.moveKeys('acme', { provider: 'local/eu-west-1' })).toMatchObject({ rewrapped: 2 });
  expect(await read('acme')).toBe('iban of acme');
});

test('keys are wrapped anew under their KEK’s newest version', async () => {
  const { keyRef } = await kekOf('umbrella');
  const [us] = shop.keyManagers() as LocalKeyManager[];
  const versions = async () =>
    await withClient(urlFor(shop.adminUrl, { database: `${shop.rolePrefix}_catalog` }), async (sql) =>
      (await sql`select distinct key_version from tenancy.data_keys where tenant_id = 'umbrella'`).map((row) => row['key_version']),
    );
  await us!.rotate(keyRef);
  expect(await versions()).toEqual(['1']);
  expect(await shop.control.rewrapKeys('umbrella', { actor: 'ada' })).toMatchObject({ rewrapped: 2, to: { keyRef } });
  expect(await versions()).toEqual(['2']);
  expect(await read('umbrella')).toBe('iban of umbrella');
  await us!.close();
});

test('everything under the platform’s KEK is wrapped by a new one while a service reads; audit and contexts stay whole', async () => {
  const before = (await shop.control.keyStatus('acme'))[0]!.keks.find(({ wraps }) => wraps > 0)!;
  expect(before.owner).toBe('platform');
  const report = await shop.control.rewrapPlatformKeys({ newKek: true, actor: 'ada' });
  expect(report.tenants).toBe(1);
  expect(report.retired).toContain(before.keyRef);
  expect(report.keks).not.toContain(before.keyRef);
  const after = await kekOf('acme');
  expect(report.keks).toContain(after.keyRef);
  expect(await read('acme')).toBe('iban of acme');
  // The former KEKs wrap nothing any more but what the audit log's chains need.
  const left = await withClient(urlFor(shop.adminUrl, { database: `${shop.rolePrefix}_catalog` }), async (sql) =>
    (await sql`select key_ref from tenancy.data_keys union select key_ref from tenancy.context_masters`).map((row) => row['key_ref']),
  );
  for (const keyRef of report.retired) expect(left).not.toContain(keyRef);
  const late = await shop.open();
  expect(await late.run('acme', () => late.db.$count(products))).toBe(1);
  await late.close();
  expect(await shop.control.auditVerify()).toMatchObject({ ok: true });
  // Run again, it finds its KEKs and makes none.
  expect(await shop.control.rewrapPlatformKeys()).toMatchObject({ keks: report.keks });
});

test('status tells of a software key under a tier that asks for an HSM, of disabled keys and of forbidden regions', async () => {
  const problems = async (tenant: string) => (await shop.control.keyStatus(tenant))[0]!.problems.map(({ id }) => id);
  // What stands in for an HSM here is a file, and status says so.
  expect(await problems('umbrella')).toEqual(['kek-protection']);
  expect(await problems('initech')).toEqual([]);
  const [, eu] = shop.keyManagers();
  await eu!.disable((await kekOf('initech')).keyRef);
  expect(await problems('initech')).toEqual(['kek-unusable']);
  await eu!.close();
  const { tenant } = await shop.control.tenant('acme');
  await shop.control.updateTenant({ ...tenant.config, compliance: { ...tenant.config.compliance, data_residency: ['us-east-1'] } });
  expect(await problems('acme')).toEqual(['kek-region']);
});

test('a key manager that wraps another key than it was given changes nothing, and what was begun is gone on with', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenancy-third-'));
  const opened: ControlPlane[] = [];
  const withThird = async (third: KeyManager): Promise<ControlPlane> => {
    const control = await createControlPlane({ ...shop.controlOptions, kms: [...shop.keyManagers(), third] });
    opened.push(control);
    return control;
  };
  const options = { file: `${folder}/keys.json`, region: 'us-east-1', provider: 'local/third' };
  const before = await kekOf('umbrella');
  await shop.tenancy.close();
  try {
    const lying = await withThird(new Liar({ ...options, allowSoftwareHsm: true }));
    await expect(lying.moveKeys('umbrella', { provider: 'local/third' })).rejects.toMatchObject({ reason: 'wrongKey' });
    const status = (await lying.keyStatus('umbrella'))[0]!;
    expect(status.keks.find(({ wraps }) => wraps > 0)).toEqual(before);
    expect(status.problems.map(({ id }) => id)).toContain('kek-pending');
    const pending = status.keks.find(({ catalogState }) => catalogState === 'pending')!;
    const honest = await withThird(new LocalKeyManager({ ...options, allowSoftwareHsm: true }));
    expect(await honest.moveKeys('umbrella', { provider: 'local/third' })).toMatchObject({ to: { keyRef: pending.keyRef } });
  } finally {
    for (const control of opened) await control.close();
    await rm(folder, { recursive: true });
  }
});
