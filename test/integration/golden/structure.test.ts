import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { urlFor } from '../../../src/provision/admin-client.ts';
import { installReferencePolicies } from '../../../src/rls/install-policies.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { PolicyDatabase } from '../../attacks/policy-database.ts';
import { adminUrl } from '../../support/server.ts';
import { structureOf } from '../../support/structure.ts';

// A change of what is installed shows here as a change of text. `npm run golden` writes the files anew.
let platform: TestPlatform<Record<string, unknown>>;
let db: PolicyDatabase;

beforeAll(async () => {
  platform = await createTestPlatform({
    adminUrl: adminUrl(),
    schema: {},
    migrations: { directory: 'test/support/shop/migrations' },
    tenants: [],
  });
  db = await PolicyDatabase.open();
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
  await platform?.close();
});

async function structure(database: string, schemas: readonly string[]): Promise<string> {
  const sql = postgres(urlFor(platform.adminUrl, { database }), { max: 1, fetch_types: false, onnotice: () => {} });
  try {
    await sql`set search_path = pg_catalog, pg_temp`;
    return await structureOf(sql, schemas, new Map([[`${platform.rolePrefix}_`, 'tenancy_']]));
  } finally {
    await sql.end();
  }
}

test('the catalog', async () => {
  await expect(await structure(`${platform.rolePrefix}_catalog`, ['tenancy'])).toMatchFileSnapshot('../../golden/catalog.txt');
});

test('a database for tenants', async () => {
  await expect(await structure(`${platform.rolePrefix}_shared`, ['tenancy', 'reference', 'extensions', 'public'])).toMatchFileSnapshot(
    '../../golden/database.txt',
  );
});

test('a tenant’s table, a pool’s and a reference table', async () => {
  const ddl = 'create table products (tenant_id text not null, id int generated always as identity, primary key (tenant_id, id))';
  await db.asOwner(undefined, 'create table reference.currencies (code text primary key)');
  await installReferencePolicies(db.ownerSql, { ownerRole: db.owner, appRole: db.app });
  await db.tenant('acme', ddl);
  await db.pool(ddl);
  await db.admin`set search_path = pg_catalog, pg_temp`;
  const text = await structureOf(db.admin, ['acme', 'pool', 'reference'], new Map([[`${db.prefix}_`, 'tenancy_']]));
  // Before 18 the policies of a tenant's own schema are quiet: another text by design.
  await expect(text).toMatchFileSnapshot(`../../golden/tables-${db.major >= 18 ? 'loud' : 'quiet'}.txt`);
});

test('control: a grant, a policy or a column more is another text', async () => {
  const text = async () => await structureOf(db.admin, ['acme'], new Map());
  const before = await text();
  for (const change of [
    `grant select on acme.products to ${db.owner} with grant option; grant truncate on acme.products to ${db.app}`,
    'create policy more on acme.products using (true)',
    'alter table acme.products add more int',
    'alter table acme.products no force row level security',
    'create function acme.more() returns int language sql as $$select 1$$',
  ]) {
    await db.admin.unsafe(`begin; ${change}`);
    expect(await text(), change).not.toBe(before);
    await db.admin.unsafe('rollback');
  }
  expect(await text()).toBe(before);
});
