import { afterAll, beforeAll, expect, test } from 'vitest';
import { DecryptionError } from '../../src/errors.ts';
import { urlFor, withClient } from '../../src/provision/admin-client.ts';
import { createShop, type Shop } from '../support/shop/platform.ts';
import { products } from '../support/shop/schema.ts';

// The attacker writes any bytes into any row past the library, and has kept every ciphertext that ever was.
let shop: Shop;
const kept = new Map<string, Buffer>();

beforeAll(async () => {
  shop = await createShop({ tenants: ['acme', 'globex', 'initech'].map((id) => ({ id, tier: 'standard' })) });
  for (const tenant of ['acme', 'globex', 'initech']) {
    await shop.tenancy.run(tenant, () =>
      shop.tenancy.db.insert(products).values({ sku: 'a', stock: 1, supplierIban: `iban of ${tenant}` }),
    );
    kept.set(tenant, await stored(tenant));
  }
}, 120_000);
afterAll(async () => await shop?.close());

async function asSuperuser<T>(tenant: string, work: (query: (text: string, params?: Buffer[]) => Promise<T>) => Promise<T>): Promise<T> {
  const { database, schema } = (await shop.control.tenant(tenant)).placement!;
  return await withClient(urlFor(shop.adminUrl, { database }), async (sql) => {
    await sql.unsafe(`set search_path = ${schema}`);
    return await work(async (text, params = []) => (await sql.unsafe(text, params)) as unknown as T);
  });
}
async function stored(tenant: string): Promise<Buffer> {
  const rows = await asSuperuser<{ supplier_iban: Buffer }[]>(tenant, (query) => query('select supplier_iban from products'));
  return rows[0]!.supplier_iban;
}
async function put(tenant: string, bytes: Buffer): Promise<void> {
  await asSuperuser<unknown>(tenant, (query) => query('update products set supplier_iban = $1', [bytes]));
}
const read = async (tenant: string): Promise<unknown> =>
  await shop.tenancy.run(tenant, async () => (await shop.tenancy.db.select().from(products))[0]!.supplierIban);

/** What a refusal tells; its audit entry is checked, which differs from one to the next. */
async function refusal(tenant: string): Promise<string> {
  const error = await read(tenant).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(DecryptionError);
  const { auditId, message, cause } = error as DecryptionError;
  const entries = await shop.control.auditEntries({ action: 'key', tenantId: tenant, outcome: 'refused' });
  expect(entries.map(({ id }) => id)).toContain(auditId);
  return JSON.stringify([message, cause ?? null, Object.entries(error as object).filter(([name]) => name !== 'auditId')]);
}

test('under a version that was destroyed: opens while it is retired, never again afterwards', async () => {
  const old = kept.get('initech')!;
  await shop.control.rotateKeys('initech');
  const current = await stored('initech');
  expect([old.readUInt32BE(2), current.readUInt32BE(2)]).toEqual([1, 2]);
  await put('initech', old);
  expect(await read('initech')).toBe('iban of initech');
  await put('initech', current);
  await shop.control.destroyRetiredKey('initech', 1, { actor: 'ada' });
  await put('initech', old);
  const destroyed = await refusal('initech');
  const changed = Buffer.from(current);
  changed[changed.byteLength - 1]! ^= 1;
  await put('initech', changed);
  expect(await refusal('initech')).toBe(destroyed);
  await put('initech', current);
  expect(await read('initech')).toBe('iban of initech');
});

test('of a tenant whose keys were shredded: not in its own row, whatever lies there', async () => {
  // Control: until then what was kept opens when it is put back.
  await put('acme', Buffer.from('none'));
  await refusal('acme');
  await put('acme', kept.get('acme')!);
  expect(await read('acme')).toBe('iban of acme');

  const certificate = await shop.control.shredKeys('acme', { actor: 'ada', reason: 'contract ended', confirm: 'acme', force: true });
  expect(certificate.complete).toBe(true);
  const own = await refusal('acme');
  for (const bytes of [Buffer.from('none'), kept.get('globex')!]) {
    await put('acme', bytes);
    expect(await refusal('acme')).toBe(own);
  }
});

test('of a tenant whose keys were shredded: in another tenant’s row it is refused as any other ciphertext', async () => {
  const told = new Set<string>();
  for (const bytes of [kept.get('acme')!, kept.get('initech')!, Buffer.from('none')]) {
    await put('globex', bytes);
    told.add(await refusal('globex'));
  }
  expect([...told]).toEqual([expect.stringContaining("can't be decrypted for tenant globex")]);
  // Control: written by the same hand, its own opens.
  await put('globex', kept.get('globex')!);
  expect(await read('globex')).toBe('iban of globex');
});
