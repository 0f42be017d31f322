import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Tiers } from '@godseye/tenancy';
import { createTestPlatform, type TestPlatform } from '@godseye/tenancy/testing';
import { databaseUrl, withAdmin } from './admin.ts';
import { copyTenant } from './copy-tenant.ts';
import { fillTables } from './fill-tables.ts';
import { createPlainDatabase, type PlainDatabase } from './plain-database.ts';
import { tenantTables } from './tables.ts';

const common = { keyPolicy: 'platform', dedicatedCluster: false, priority: 0 } as const;
const tiers: Tiers = {
  row: { ...common, name: 'row', isolation: 'row', maxLanes: 4 },
  schema: { ...common, name: 'schema', isolation: 'schema', maxLanes: 4 },
  database: { ...common, name: 'database', isolation: 'database', maxLanes: 8 },
};
const tenantIdsOf = (tier: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${tier}-tenant-${index + 1}`);

/** Five in schemas of drizzle-multitenant: each gets a pool, and ten connections are shared evenly. */
export const tenantIds = {
  row: tenantIdsOf('row', 8),
  schema: tenantIdsOf('schema', 8),
  database: tenantIdsOf('database', 2),
  multitenant: tenantIdsOf('multitenant', 5),
} as const;

/** A platform with tenants of every isolation and a database beside it, on one server, filled. */
export interface World extends AsyncDisposable {
  readonly platform: TestPlatform<typeof tenantTables>;
  readonly plain: PlainDatabase;
  /** How many documents a subject's tenants have together. */
  readonly documents: number;
  /** The server's version, such as `18.4`. */
  readonly version: string;
  /** A superuser's URL of the platform's catalog. */
  readonly catalogUrl: string;
  /** A superuser's URLs of the databases that hold tenants' rows. */
  readonly tenantDatabaseUrls: readonly string[];
}

/**
 * @param adminUrl a superuser's URL; an embedded cluster is started when there is none
 * @param documents how many documents a subject's tenants have together; 0: none
 * @throws the signal's reason once it is aborted
 */
export async function createWorld(adminUrl: string | undefined, documents: number, signal: AbortSignal): Promise<World> {
  const platform = await createTestPlatform({
    schema: tenantTables,
    adminUrl,
    migrations: { directory: fileURLToPath(new URL('./migrations', import.meta.url)) },
    tiers,
    tenants: [],
  });
  try {
    await platform.tenancy.close();
    // Named like the platform's own, so that closing the platform drops it too.
    const name = `${platform.rolePrefix}_bench`;
    const password = randomBytes(24).toString('base64url');
    const catalogUrl = databaseUrl(platform.adminUrl, new URL(platform.serviceCatalogUrl).pathname.slice(1));
    const provisioned = provision(platform, catalogUrl, documents, signal);
    const created = createPlainDatabase({
      adminUrl: platform.adminUrl,
      name,
      password,
      sharedTenants: tenantIds.row,
      schemaTenants: tenantIds.multitenant,
      documents,
    });
    await allOf<unknown>([provisioned, created]);
    return {
      platform,
      plain: await created,
      documents,
      tenantDatabaseUrls: [...(await provisioned), databaseUrl(platform.adminUrl, name)],
      catalogUrl,
      version: await withAdmin(platform.adminUrl, async (admin) => {
        const [row] = await admin<{ version: string }[]>`select current_setting('server_version') as version`;
        return row!.version;
      }),
      [Symbol.asyncDispose]: () => platform.close(),
    };
  } catch (error) {
    await platform.close();
    throw error;
  }
}

/** Onboards every tenant and fills its tables; answers the superuser's URLs of their databases. */
async function provision(
  platform: TestPlatform<typeof tenantTables>,
  catalogUrl: string,
  documents: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const urls = new Set<string>();
  const onboard = async (tier: 'row' | 'schema' | 'database', ids: readonly string[], alike: readonly string[]): Promise<void> => {
    for (const id of ids) {
      signal.throwIfAborted();
      const { placement } = await platform.control.provision({ id, name: id, tier, region: 'us-east-1' });
      if (alike.length > 0) await copyTenant(catalogUrl, id, alike);
      const url = databaseUrl(platform.adminUrl, placement.database);
      urls.add(url);
      await withAdmin(url, async (admin) => {
        await admin.unsafe(`set search_path = "${placement.schema}"`);
        await fillTables(admin, [id, ...alike], { tenantColumn: true, documents: documents / tenantIds[tier].length });
      });
    }
  };
  const [model, ...others] = tenantIds.row;
  const half = tenantIds.schema.length / 2;
  await allOf([
    onboard('row', [model!], others),
    onboard('schema', tenantIds.schema.slice(0, half), []),
    onboard('schema', tenantIds.schema.slice(half), []),
    onboard('database', tenantIds.database, []),
  ]);
  return [...urls];
}

/** Waits for all, also when one fails: what a failure takes away must not be in the making. */
async function allOf<T>(parts: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(parts);
  return await Promise.all(parts);
}
