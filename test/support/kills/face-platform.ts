import { fileURLToPath } from 'node:url';
import type { Sql } from 'postgres';
import { withClient } from '../../../src/provision/admin-client.ts';
import type { OpenPool } from '../../../src/routing/pool-request.ts';
import { quoteIdentifier } from '../../../src/sql/identifier.ts';
import { defaultTiers, type Tier } from '../../../src/tenant/tier.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { adminUrl } from '../server.ts';
import { wireTenancy } from '../wired-tenancy.ts';
import { entries } from './entries.ts';
import { faceSubject } from './face-subject.ts';
import type { Journal, JournalRow } from './journal.ts';
import type { KillSubject } from './subject.ts';

const schema = { entries };

export type EntriesPlatform = TestPlatform<typeof schema>;

const tier = (name: string, isolation: Tier['isolation']): Tier => ({ ...defaultTiers['standard']!, name, isolation });
const tiers = { row: tier('row', 'row'), schema: tier('schema', 'schema') };

/** Two tenants that share a table and one beside them: all three are in one database, and so on the same lanes. */
export const entriesTenants = ['row-a', 'row-b', 'schema-c'] as const;

export async function createEntriesPlatform(): Promise<EntriesPlatform> {
  return await createTestPlatform({
    schema,
    tiers,
    adminUrl: adminUrl(),
    migrations: { directory: fileURLToPath(new URL('./migrations', import.meta.url)) },
    tenants: entriesTenants.map((id) => ({ id, tier: id.slice(0, id.indexOf('-')) })),
  });
}

/** A tenancy of the platform whose lanes connect to a port of their own; the catalog and the check of the login do not. */
export async function openFace(
  platform: EntriesPlatform,
  place: { readonly port: number; readonly openPool: OpenPool },
  journal: Journal,
): Promise<KillSubject> {
  const tenancy = await wireTenancy(platform, {
    schema,
    tiers,
    openPool: ({ cluster, ...request }) => place.openPool({ ...request, cluster: { ...cluster, host: '127.0.0.1', port: place.port } }),
  });
  // Routes are known from here on: what remains to be cut is the lanes.
  for (const id of entriesTenants) await tenancy.run(id, () => {});
  return faceSubject(tenancy, journal);
}

/** All entries of all tenants. */
export async function entriesRows(platform: EntriesPlatform): Promise<readonly JournalRow[]> {
  const rows: JournalRow[] = [];
  await eachTable(platform, async (table, admin) => {
    rows.push(...(await admin.unsafe<JournalRow[]>(`select tenant_id as "tenantId", name from ${table}`)));
  });
  return rows;
}

/** Makes room for the next journal, which knows nothing of what an earlier one wrote. */
export async function clearEntries(platform: EntriesPlatform): Promise<void> {
  await eachTable(platform, async (table, admin) => {
    await admin.unsafe(`truncate ${table}`);
  });
}

async function eachTable(platform: EntriesPlatform, work: (table: string, admin: Sql) => Promise<void>): Promise<void> {
  const places = await Promise.all(entriesTenants.map(async (id) => (await platform.control.tenant(id)).placement!));
  await withClient(adminUrl(places[0]!.database), async (admin) => {
    for (const schema of new Set(places.map((place) => place.schema))) await work(`${quoteIdentifier(schema)}.entries`, admin);
  });
}
