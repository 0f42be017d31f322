import { fileURLToPath } from 'node:url';
import type { Tiers } from '@godseye/tenancy';
import { createTestPlatform, type TestPlatform } from '@godseye/tenancy/testing';
import { createPlainDatabase, type PlainDatabase } from './plain-database.ts';
import { productsPerTenant } from './stock.ts';
import type { Subject } from './subject.ts';
import { drizzle } from './subjects/drizzle.ts';
import { drizzleTransaction } from './subjects/drizzle-transaction.ts';
import { raw } from './subjects/raw.ts';
import { scoped } from './subjects/scoped.ts';
import { tenantTables } from './tables.ts';

/** Connections of every subject, over all its databases. */
const connections = 10;

const common = { keyPolicy: 'platform', dedicatedCluster: false, priority: 0, maxLanes: connections } as const;
const tiers: Tiers = {
  row: { ...common, name: 'row', isolation: 'row' },
  schema: { ...common, name: 'schema', isolation: 'schema' },
  database: { ...common, name: 'database', isolation: 'database' },
};
const tenantIdsOf = (tier: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${tier}-tenant-${index + 1}`);
const tenantIds = { row: tenantIdsOf('row', 8), schema: tenantIdsOf('schema', 8), database: tenantIdsOf('database', 2) };

/** A platform with tenants of every isolation and a database beside it, on one server. */
export interface World extends AsyncDisposable {
  readonly subjects: readonly Subject[];
}

/** @param adminUrl a superuser's URL; an embedded cluster is started when there is none */
export async function createWorld(adminUrl: string | undefined): Promise<World> {
  const platform = await createTestPlatform({
    schema: tenantTables,
    adminUrl,
    migrations: { directory: fileURLToPath(new URL('./migrations', import.meta.url)) },
    tiers,
    tenants: Object.entries(tenantIds).flatMap(([tier, ids]) => ids.map((id) => ({ id, tier }))),
    lanes: { maxPerDatabase: connections },
  });
  let plain: PlainDatabase | undefined;
  const dispose = async (): Promise<void> => {
    await plain?.[Symbol.asyncDispose]();
    await platform.close();
  };
  try {
    await fillTenants(platform);
    // Named like the platform's own, so that closing the platform drops it too.
    plain = await createPlainDatabase(platform.adminUrl, `${platform.rolePrefix}_bench`, tenantIds.row, connections);
    return { subjects: await subjectsOf(platform, plain), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function subjectsOf(platform: TestPlatform<typeof tenantTables>, plain: PlainDatabase): Promise<readonly Subject[]> {
  const open = (databases: number) => platform.open({ lanes: { maxPerDatabase: connections / databases } });
  return [
    raw(plain.open, tenantIds.row),
    drizzle(plain.open, tenantIds.row),
    drizzleTransaction(plain.guarded, tenantIds.row),
    scoped('tenancy-row', await open(1), tenantIds.row),
    scoped('tenancy-schema', await open(1), tenantIds.schema),
    scoped('tenancy-database', await open(tenantIds.database.length), tenantIds.database),
  ];
}

async function fillTenants({ tenancy }: TestPlatform<typeof tenantTables>): Promise<void> {
  const rows = Array.from({ length: productsPerTenant }, (_, n) => ({ sku: `SKU-${n}`, description: `Product number ${n}`, stock: n }));
  for (const id of Object.values(tenantIds).flat()) await tenancy.run(id, () => tenancy.db.insert(tenantTables.products).values(rows));
}
