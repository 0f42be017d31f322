import { afterAll, beforeAll, expect, test } from 'vitest';
import { CatalogError, ConfigurationError, DecryptionError } from '../../../src/errors.ts';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import { products } from '../../support/shop/schema.ts';

const order = { actor: 'ada', reason: 'contract ended' };
let shop: Shop;
let other: Shop['tenancy'];

beforeAll(async () => {
  shop = await createShop();
  other = await shop.open({ runtime: { region: 'us-east-1', applicationName: 'reports' } });
  for (const tenant of ['acme', 'globex', 'initech', 'umbrella']) {
    await shop.tenancy.run(tenant, () =>
      shop.tenancy.db.insert(products).values({ sku: 'a', stock: 1, supplierIban: `iban of ${tenant}` }),
    );
    expect(await read(tenant, other)).toBe(`iban of ${tenant}`);
  }
}, 60_000);
afterAll(async () => await shop?.close());

const read = async (tenant: string, tenancy = shop.tenancy): Promise<unknown> =>
  await tenancy.run(tenant, async () => (await tenancy.db.select().from(products))[0]!.supplierIban);
const inCatalog = async (text: string) =>
  await withClient(urlFor(shop.adminUrl, { database: `${shop.rolePrefix}_catalog` }), async (sql) => await sql.unsafe(text));

test('nothing is shredded without confirmation, actor and reason, nor of an active tenant', async () => {
  await expect(shop.control.shredKeys('initech', { ...order, confirm: 'acme' })).rejects.toBeInstanceOf(ConfigurationError);
  await expect(shop.control.shredKeys('initech', { ...order, confirm: 'initech', actor: ' ' })).rejects.toBeInstanceOf(ConfigurationError);
  await expect(shop.control.shredKeys('initech', { ...order, confirm: 'initech', reason: '' })).rejects.toBeInstanceOf(ConfigurationError);
  await expect(shop.control.shredKeys('initech', { ...order, confirm: 'initech' })).rejects.toBeInstanceOf(CatalogError);
  expect(await read('initech')).toBe('iban of initech');
});

test('a suspended tenant’s keys are destroyed everywhere, with evidence and a signed certificate', async () => {
  const wrapped = await inCatalog(`select encode(sha256(wrapped), 'hex') as hash from tenancy.data_keys where tenant_id = 'initech'`);
  await shop.control.setStatus('initech', 'suspended');
  const certificate = await shop.control.shredKeys('initech', { ...order, confirm: 'initech', deletionDays: 7 });
  expect(certificate).toMatchObject({ tenantId: 'initech', orderedBy: 'ada', reason: 'contract ended', forced: false, complete: true });
  expect(certificate.keys.map(({ wrappedSha256 }) => wrappedSha256).sort()).toEqual(wrapped.map((row) => row['hash']).sort());
  expect(certificate.keks).toEqual([expect.objectContaining({ state: 'pendingDeletion', keyRef: certificate.keys[0]!.keyRef })]);
  expect(certificate.processes.acknowledged.map(({ name }) => name.split('@')[0]).sort()).toEqual(['reports', 'tenancy']);
  expect(certificate.processes.silent).toEqual([]);
  expect(await inCatalog(`select 1 from tenancy.data_keys where tenant_id = 'initech'`)).toHaveLength(0);
  expect((await shop.control.keyStatus('initech'))[0]).toMatchObject({
    shreddedAt: new Date(certificate.shreddedAt),
    dataKeys: [],
    indexSecret: false,
    problems: [],
  });

  const travelled = JSON.parse(JSON.stringify(certificate)) as typeof certificate;
  expect(await shop.control.verifyShredCertificate(travelled)).toBe(true);
  for (const forged of [
    { ...travelled, orderedBy: 'eve' },
    { ...travelled, keyId: 'c2' },
    { ...travelled, keys: [] },
    { ...travelled, signature: Buffer.alloc(64).toString('base64') },
    {},
  ]) {
    expect(await shop.control.verifyShredCertificate(forged)).toBe(false);
  }
  // Nobody else's key is taken for the platform's, not even one that the catalog names.
  const { generateKeyPairSync } = await import('node:crypto');
  const { signDocument } = await import('../../../src/keys/certificate.ts');
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const hex = publicKey.export({ format: 'der', type: 'spki' }).subarray(12).toString('hex');
  await inCatalog(`update tenancy.certificate_keys set public_key = '\\x${hex}'`);
  const { signature: _, ...document } = travelled;
  expect(await shop.control.verifyShredCertificate({ ...document, signature: signDocument(privateKey, document) })).toBe(false);
});

test('afterwards nothing opens, nothing is written, and no new keys are made', async () => {
  await shop.control.setStatus('initech', 'active');
  for (const tenancy of [shop.tenancy, other]) {
    await expect.poll(() => read('initech', tenancy).catch((error: Error) => error), { timeout: 10_000 }).toBeInstanceOf(DecryptionError);
    const written = tenancy.run('initech', () => tenancy.db.insert(products).values({ sku: 'b', stock: 1, supplierIban: 'x' }));
    await expect(written).rejects.toBeInstanceOf(DecryptionError);
  }
  // Columns that are not encrypted are still there: shredding deletes no row.
  expect(await shop.tenancy.run('initech', () => shop.tenancy.db.select({ sku: products.sku }).from(products))).toEqual([{ sku: 'a' }]);
  await expect(
    inCatalog(
      `insert into tenancy.data_keys select 'initech', purpose, version, kek_id, provider, key_ref, key_version, wrapped from tenancy.data_keys where tenant_id = 'acme'`,
    ),
  ).rejects.toMatchObject({ code: '42501' });
  await expect(inCatalog(`delete from tenancy.key_shreds`)).rejects.toMatchObject({ code: '42501' });
  await expect(inCatalog(`update tenancy.key_shreds set actor = 'eve'`)).rejects.toMatchObject({ code: '42501' });
  expect(await read('globex')).toBe('iban of globex');
  const refusals = await shop.control.auditEntries({ action: 'key', tenantId: 'initech', outcome: 'refused' });
  expect(refusals.map(({ reason, errorCode }) => `${reason} ${errorCode}`)).toEqual(
    expect.arrayContaining(['unwrap DECRYPTION', 'decrypt DECRYPTION']),
  );
});

test('a process that does not answer is named until its keys have ended; run again, the certificate is complete', async () => {
  await inCatalog(
    `insert into tenancy.processes (id, name, key_life_ms, providers, acknowledged)
     values ('00000000-0000-4000-8000-000000000001', 'deaf@host:1', 600000, '{}', 0)`,
  );
  const options = { ...order, confirm: 'acme', force: true, waitMs: 300 };
  const first = await shop.control.shredKeys('acme', options);
  expect(first).toMatchObject({ forced: true, complete: false, keks: [], processes: { silent: [{ name: 'deaf@host:1' }] } });
  // Those that answer have let go by now, whoever else does not.
  await expect(read('acme', other)).rejects.toBeInstanceOf(DecryptionError);
  await inCatalog(`update tenancy.processes set key_life_ms = 0 where name = 'deaf@host:1'`);
  const second = await shop.control.shredKeys('acme', options);
  expect(second).toMatchObject({
    complete: true,
    shreddedAt: first.shreddedAt,
    keys: first.keys,
    processes: { expired: [{ name: 'deaf@host:1' }], silent: [] },
  });
  await inCatalog(`delete from tenancy.processes where name = 'deaf@host:1'`);

  // A key that somebody put back past the triggers names the platform's KEK: it wraps everybody's keys and stays as it is.
  await inCatalog(`alter table tenancy.data_keys disable trigger data_keys_not_after_shred`);
  await inCatalog(
    `insert into tenancy.data_keys select 'acme', purpose, version, kek_id, provider, key_ref, key_version, wrapped from tenancy.data_keys where tenant_id = 'globex'`,
  );
  await inCatalog(`alter table tenancy.data_keys enable trigger data_keys_not_after_shred`);
  expect(await shop.control.shredKeys('acme', options)).toMatchObject({ keks: [] });
  expect((await shop.control.keyStatus('globex'))[0]!.problems).toEqual([]);
  await inCatalog(`delete from tenancy.data_keys where tenant_id = 'acme'`);
});

test('a result that is on its way when the keys go does not open', async () => {
  await shop.tenancy.run('globex', async () => {
    const slow = shop.tenancy.transaction(async (tx) => {
      const rows = tx.select().from(products);
      await shop.control.shredKeys('globex', { ...order, confirm: 'globex', force: true });
      return await rows;
    });
    await expect(slow).rejects.toBeInstanceOf(DecryptionError);
  });
});

test('unwrapping is recorded once for a load, not for a query', async () => {
  for (let n = 0; n < 50; n++) await read('umbrella');
  const loads = (await shop.control.auditEntries({ action: 'key', tenantId: 'umbrella' })).filter(({ reason }) => reason === 'unwrap');
  expect(loads.length).toBeGreaterThanOrEqual(2);
  expect(loads.length).toBeLessThan(8);
  expect(loads[0]).toMatchObject({ outcome: 'completed', detail: { versions: '1', providers: 'local/us-east-1' } });
});
