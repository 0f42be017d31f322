import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConfigurationError, IsolationError } from '../../../src/errors.ts';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import { createTenancy } from '../../../src/tenancy.ts';
import { assertIsolated } from '../../../src/testing/assert-isolated.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { adminUrl } from '../../support/server.ts';

const tables = 50;
let platform: TestPlatform<Record<string, unknown>>;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'isolated-'));
  const ddl = Array.from({ length: tables }, (_, n) =>
    [
      `create table t${n} (tenant_id text not null, id uuid not null default gen_random_uuid(), sku text not null, amount numeric(12, 2) not null, made timestamptz not null default now(),`,
      n === 0 ? '' : `parent uuid not null, foreign key (tenant_id, parent) references t${n - 1} (tenant_id, id),`,
      'primary key (tenant_id, id), unique (tenant_id, sku));',
    ].join(' '),
  );
  await writeFile(join(folder, '0001_tables.sql'), `-- Up Migration\n${ddl.join('\n')}\n`);
  platform = await createTestPlatform({
    adminUrl: adminUrl(),
    schema: {},
    migrations: { directory: folder },
    tenants: [{ id: 'acme', tier: 'pool' }],
    tiers: { pool: { name: 'pool', isolation: 'row', keyPolicy: 'platform', dedicatedCluster: false, priority: 0, maxLanes: 4 } },
  });
}, 120_000);
afterAll(async () => {
  await platform?.close();
  await rm(folder, { recursive: true, force: true });
});

test('50 tables, each pointing at the one before: everything is tried, nothing gets through', async () => {
  const { checked, findings } = await assertIsolated(platform);
  expect(findings).toEqual([]);
  expect(checked).toBeGreaterThan(tables * 15);
  await expect(assertIsolated(platform.control)).resolves.toMatchObject({ ok: true });
});

test('control: one table that is open is named, with what to do', async () => {
  const [placement] = (await platform.control.tenants()).map((tenant) => tenant.placement);
  await withClient(
    urlFor(platform.adminUrl, { database: placement!.database }),
    async (admin) => await admin.unsafe('alter table pool.t7 disable row level security'),
  );
  const error = await assertIsolated(platform).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(IsolationError);
  expect((error as Error).message).toMatch(/probe-read .* pool\.t7: .*reads rows of another/);
  expect((error as Error).message).not.toContain('pool.t8');
  expect((error as IsolationError).findings.map(({ id }) => id)).toContain('probe-write');
});

test('a tenancy of the platform stands for it, each that it opened; the tenancy itself holds nothing of the owner’s', async () => {
  await withClient(
    urlFor(platform.adminUrl, { database: (await platform.control.tenant('acme')).placement!.database }),
    async (admin) => await admin.unsafe('alter table pool.t7 enable row level security'),
  );
  await expect(assertIsolated(platform.tenancy)).resolves.toMatchObject({ ok: true });
  const another = await platform.open();
  await expect(assertIsolated(another)).resolves.toMatchObject({ ok: true });
  expect('control' in another || 'verify' in another).toBe(false);
});

test('a tenancy that was made elsewhere is refused with what to pass', async () => {
  const elsewhere = await createTenancy({
    catalog: { url: platform.serviceCatalogUrl },
    schema: {},
    runtime: { region: 'us-east-1' },
    kms: platform.keyManagers(),
    tiers: platform.controlOptions.tiers,
  });
  const error: unknown = await assertIsolated(elsewhere).catch((reason: unknown) => reason);
  await elsewhere.close();
  expect(error).toBeInstanceOf(ConfigurationError);
  expect((error as Error).message).toMatch(/createTestPlatform did not make.*Pass the platform/);
});

test('nothing tried is no proof', async () => {
  const nothing = { verify: async () => ({ findings: [], checked: 0, ok: true }) };
  await expect(assertIsolated(nothing)).rejects.toThrow(/Nothing was tried/);
});
