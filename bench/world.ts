import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Tiers } from '@godseye/tenancy';
import { createTestPlatform, type TestPlatform } from '@godseye/tenancy/testing';
import { databaseUrl, withAdmin } from './admin.ts';
import { createPlainDatabase, type PlainDatabase } from './plain-database.ts';
import { fillStatements, indexStatements } from './stock.ts';
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
    // Both are waited for, also when one fails: what a failure takes away must not be in the making.
    const [plain, tenantDatabaseUrls] = await bothOf(
      createPlainDatabase({
        adminUrl: platform.adminUrl,
        name,
        password,
        sharedTenants: tenantIds.row,
        schemaTenants: tenantIds.multitenant,
        documents,
      }),
      provision(platform, documents, signal),
    );
    return {
      platform,
      plain,
      documents,
      tenantDatabaseUrls: [...tenantDatabaseUrls, databaseUrl(platform.adminUrl, name)],
      catalogUrl: databaseUrl(platform.adminUrl, new URL(platform.serviceCatalogUrl).pathname.slice(1)),
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
async function provision(platform: TestPlatform<typeof tenantTables>, documents: number, signal: AbortSignal): Promise<readonly string[]> {
  const urls = new Set<string>();
  for (const tier of ['row', 'schema', 'database'] as const) {
    const ids = [...tenantIds[tier]];
    const share = documents / ids.length;
    const indexed = new Set<string>();
    const worker = async (): Promise<void> => {
      for (let id = ids.shift(); id !== undefined; id = ids.shift()) {
        signal.throwIfAborted();
        const { placement } = await platform.control.provision({ id, name: id, tier, region: 'us-east-1' });
        const url = databaseUrl(platform.adminUrl, placement.database);
        urls.add(url);
        const first = !indexed.has(placement.schema);
        indexed.add(placement.schema);
        await withAdmin(url, async (admin) => {
          await admin.unsafe(`set search_path = "${placement.schema}"`);
          for (const statement of fillStatements(id, true, share)) await admin.unsafe(statement);
          if (first && documents > 0) for (const statement of indexStatements(true)) await admin.unsafe(statement);
        });
      }
    };
    await bothOf(worker(), worker());
  }
  for (const url of urls) await withAdmin(url, (admin) => admin.unsafe('vacuum analyze'));
  return [...urls];
}

async function bothOf<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return [await first, await second];
}
