import { fileURLToPath } from 'node:url';
import { CrossTenantAccessError } from '@godseye/tenancy';
import { assertIsolated, createTestPlatform, type TestPlatform } from '@godseye/tenancy/testing';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as schema from './schema.ts';

const { products } = schema;
let platform: TestPlatform<typeof schema>;

beforeAll(async () => {
  platform = await createTestPlatform({
    schema,
    migrations: { directory: fileURLToPath(new URL('./migrations', import.meta.url)) },
    tenants: [
      { id: 'acme', tier: 'standard' },
      { id: 'globex', tier: 'enterprise' },
    ],
    adminUrl: process.env['DATABASE_URL'], // a server of your own; without one an embedded cluster is started
  });
}, 60_000);
afterAll(async () => await platform?.close());

test('each tenant has a stock of its own, under the same SKU', async () => {
  const { tenancy } = platform;
  for (const [id, stock] of [
    ['acme', 10],
    ['globex', 20],
  ] as const) {
    await tenancy.run(id, () => tenancy.db.insert(products).values({ sku: 'LAMP-1', stock }));
  }
  await tenancy.run('acme', () => tenancy.db.update(products).set({ stock: 0 }).where(eq(products.sku, 'LAMP-1')));
  const [lamp] = await tenancy.run('globex', () => tenancy.db.select().from(products));
  expect(lamp?.stock).toBe(20);
});

test('another tenant’s id is refused, and the refusal is in the audit log', async () => {
  const { tenancy, control } = platform;
  const attempt = tenancy.run('acme', () => tenancy.db.select().from(products).where(eq(products.tenantId, 'globex')));
  await expect(attempt).rejects.toThrow(CrossTenantAccessError);
  expect(await control.auditEntries({ tenantId: 'acme', outcome: 'refused' })).toHaveLength(1);
});

test('no tenant reaches another, on any table', async () => {
  const { checked } = await assertIsolated(platform.tenancy);
  expect(checked).toBeGreaterThan(20);
});
