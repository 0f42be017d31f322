import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { defaultTiers, type Isolation, type Tiers } from '../../src/tenant/tier.ts';
import { createTestPlatform, type TestPlatform } from '../../src/testing/test-platform.ts';
import { adminClient, adminUrl, createDatabase, serverMajor, uniquePrefix } from '../support/server.ts';
import type { AnyDatabase } from './build-select.ts';
import { written } from './description.ts';
import * as scopedSchema from './scoped-schema.ts';
import * as stockSchema from './stock-schema.ts';

const standard = defaultTiers['standard']!;

/** One tier for each isolation. */
export const tiers: Tiers = Object.fromEntries(
  (['row', 'schema', 'database'] as const).map((isolation) => [isolation, { ...standard, name: isolation, isolation }]),
);

export const tenantsOf: Readonly<Record<Isolation, readonly string[]>> = {
  row: ['row-a', 'row-b', 'row-c', 'row-d'],
  schema: ['schema-a', 'schema-b', 'schema-c'],
  database: ['database-a', 'database-b'],
};

const everybody = Object.values(tenantsOf).flat();

/** A platform with tenants of all three isolations; and for each tenant a schema of stock drizzle's that holds it alone. */
export interface OracleWorld extends AsyncDisposable {
  readonly platform: TestPlatform<typeof scopedSchema>;
  readonly views: boolean;
  /** A superuser in the database of a tenant; not to be ended. */
  admin(tenant: string): postgres.Sql;
  /** The schema of a tenant's tables there. */
  schemaOf(tenant: string): string;
  stock(tenant: string): AnyDatabase;
  stockClient(tenant: string): postgres.Sql;
}

export async function oracleWorld(): Promise<OracleWorld> {
  // Before 15 there is no security_invoker, and services may read no view.
  const views = (await serverMajor()) >= 15;
  const folder = await mkdtemp(join(tmpdir(), 'tenancy-oracle-'));
  const source = fileURLToPath(new URL('./migrations', import.meta.url));
  await cp(source, folder, { recursive: true, filter: (path) => views || !path.endsWith('0002_views.sql') });
  const platform = await createTestPlatform({
    schema: scopedSchema,
    adminUrl: adminUrl(),
    migrations: { directory: folder, reference: join(folder, 'reference') },
    tiers,
    tenants: Object.entries(tenantsOf).flatMap(([tier, tenants]) => tenants.map((id) => ({ id, tier }))),
  });
  const database = await createDatabase(`${uniquePrefix()}_alone`);
  const clients = new Map<string, postgres.Sql>();
  const stocks = new Map<string, { readonly client: postgres.Sql; readonly db: AnyDatabase }>();
  const placements = new Map<string, { readonly database: string; readonly schema: string }>();
  const owner = adminClient(database.name);
  await owner.unsafe(await stockDdl(folder, 'reference', undefined, ['reference/0001_rates.sql']));
  for (const tenant of everybody) {
    const { placement } = await platform.control.tenant(tenant);
    placements.set(tenant, placement!);
    if (!clients.has(placement!.database)) clients.set(placement!.database, adminClient(placement!.database));
    const schema = tenant.replaceAll('-', '_');
    await owner.unsafe(await stockDdl(folder, schema, tenant, ['0001_tables.sql', ...(views ? ['0002_views.sql'] : [])]));
    const client = postgres(adminUrl(database.name), { max: 1, onnotice: () => {}, connection: { search_path: `${schema}, reference` } });
    stocks.set(tenant, { client, db: drizzle(client, { schema: stockSchema }) as unknown as AnyDatabase });
  }
  await owner.end();
  return {
    platform,
    views,
    admin: (tenant) => clients.get(placements.get(tenant)!.database)!,
    schemaOf: (tenant) => placements.get(tenant)!.schema,
    stock: (tenant) => stocks.get(tenant)!.db,
    stockClient: (tenant) => stocks.get(tenant)!.client,
    async [Symbol.asyncDispose]() {
      await Promise.all([...clients.values(), ...[...stocks.values()].map(({ client }) => client)].map((client) => client.end()));
      await database[Symbol.asyncDispose]();
      await platform.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The same tables for one tenant alone: keys hold without tenant_id, secrets are plain text, tenant_id is always the tenant's. */
async function stockDdl(folder: string, schema: string, tenant: string | undefined, files: readonly string[]): Promise<string> {
  const texts = await Promise.all(files.map(async (file) => await readFile(join(folder, file), 'utf8')));
  const ddl = texts
    .join('\n')
    .replaceAll('with (security_invoker = true)', '')
    .replaceAll('secret bytea', 'secret text')
    .replaceAll('tenant_id text not null,', `tenant_id text not null default '${tenant}',`);
  const keys = [...written.map((table) => [table, table === 'notes' ? 'number' : 'id']), ['shops', 'name'], ['items', 'code']].map(
    ([table, column]) => `create unique index on ${table} (${column});`,
  );
  return `create schema ${schema}; set search_path to ${schema}, reference; ${ddl} ${tenant === undefined ? '' : keys.join(' ')}`;
}
