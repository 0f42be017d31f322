import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withClient } from '../../../src/provision/admin-client.ts';
import { createTestPlatform } from '../../../src/testing/test-platform.ts';
import * as schema from '../../support/drizzle-kit/schema.ts';
import { adminUrl } from '../../support/server.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-drizzle-kit-'));
  const args = ['generate', '--dialect', 'postgresql', '--schema', 'test/support/drizzle-kit/schema.ts', '--out', folder];
  await promisify(execFile)(process.execPath, ['node_modules/drizzle-kit/bin.cjs', ...args], { cwd: root });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('drizzle-kit still writes "public", which would be wrong in a tenant’s schema', async () => {
  const [file] = (await readdir(folder)).filter((name) => name.endsWith('.sql'));
  const sql = await readFile(join(folder, file!), 'utf8');
  expect(sql).toContain('REFERENCES "public"."products"');
  expect(sql).toContain('CREATE TYPE "public"."status"');
});

test('drizzle-kit writes the columns of blind indexes from their one declaration, and what they are looked up by', async () => {
  const [file] = (await readdir(folder)).filter((name) => name.endsWith('.sql'));
  const sql = await readFile(join(folder, file!), 'utf8');
  expect(sql).toContain('"supplier_iban_index" "bytea"');
  expect(sql).toContain('CREATE INDEX "products_supplier_iban_index" ON "products" USING btree ("tenant_id","supplier_iban_index")');
  expect(sql).toContain('UNIQUE("tenant_id","serial_index")');
  expect(sql).not.toContain('CREATE INDEX "products_serial_index"');
});

test('what drizzle-kit generates from tenant tables is migrated into each tenant’s schema, enum and all', async () => {
  const tenants = [
    { id: 'acme', tier: 'standard' },
    { id: 'globex', tier: 'standard' },
    { id: 'initech', tier: 'enterprise' },
  ];
  await using platform = await createTestPlatform({ schema, adminUrl: adminUrl(), migrations: { directory: folder }, tenants });
  const { tenancy, control } = platform;
  for (const { id } of tenants) {
    await tenancy.run(id, async () => {
      const [product] = await tenancy.db.insert(schema.products).values({ sku: 'LAMP', stock: 1, supplierIban: 'DE89' }).returning();
      await tenancy.db.insert(schema.orders).values({ productId: product!.id, status: 'open' });
      expect(
        await tenancy.db
          .select({ iban: schema.products.supplierIban })
          .from(schema.products)
          .where(eq(schema.products.supplierIban, 'de-89')),
      ).toEqual([{ iban: 'DE89' }]);
      expect(await tenancy.db.select({ status: schema.orders.status }).from(schema.orders)).toEqual([{ status: 'open' }]);
    });
    const placement = (await control.tenant(id)).placement!;
    await withClient(adminUrl(placement.database), async (admin) => {
      const strays = await admin`select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public'
        union all select t.typname from pg_type t join pg_namespace n on n.oid = t.typnamespace where n.nspname = 'public'`;
      expect(strays).toEqual([]);
    });
  }
  expect((await control.verify()).findings).toEqual([]);
});
