import { fileURLToPath } from 'node:url';
import { withClient } from '../../../src/provision/admin-client.ts';
import { quoteIdentifier } from '../../../src/sql/identifier.ts';
import { defaultTiers, type Tier } from '../../../src/tenant/tier.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import type { LaneKind } from '../lane-kinds.ts';
import { adminUrl } from '../server.ts';
import { type Book, itemIds } from './book.ts';
import * as schema from './schema.ts';
import { items } from './schema.ts';

export type NotesPlatform = TestPlatform<typeof schema>;

/** What the programs use of a tenancy. */
export type Face = Pick<NotesPlatform['tenancy'], 'db' | 'sql' | 'run' | 'currentOrNull' | 'acrossTenants'>;

/** Lanes of the process to each database. */
export const lanesPerDatabase = 4;

const tier = (name: string, isolation: Tier['isolation']): Tier => ({ ...defaultTiers['standard']!, name, isolation, maxLanes: 4 });
/** The platform's tiers: one for each isolation. */
export const tiers = { row: tier('row', 'row'), schema: tier('schema', 'schema'), database: tier('database', 'database') };

/** Twenty tenants: those that share tables, those that share a database, and those that have one to themselves. */
export const tenantIds: readonly string[] = [
  ...Array.from({ length: 9 }, (_, index) => `row-${index}`),
  ...Array.from({ length: 8 }, (_, index) => `schema-${index}`),
  ...Array.from({ length: 3 }, (_, index) => `database-${index}`),
];

export async function createNotesPlatform(kind: LaneKind): Promise<NotesPlatform> {
  const platform = await createTestPlatform({
    schema,
    tiers,
    adminUrl: adminUrl(),
    migrations: { directory: fileURLToPath(new URL('./migrations', import.meta.url)) },
    tenants: tenantIds.map((id) => ({ id, tier: id.slice(0, id.indexOf('-')) })),
    lanes: { ...kind.lanes, maxPerDatabase: lanesPerDatabase, acquireTimeoutMs: 60_000 },
  });
  for (const id of tenantIds)
    await platform.tenancy.run(id, () =>
      platform.tenancy.db.insert(items).values(itemIds.map((item) => ({ id: item, marker: id, secret: `secret of ${id}` }))),
    );
  return platform;
}

/** Compares every table with what the book says was acknowledged, as a superuser, so that no scoping stands between. */
export async function auditTables(platform: NotesPlatform, book: Book): Promise<void> {
  const tables = new Map<string, { readonly database: string; readonly schema: string; readonly tenants: string[] }>();
  for (const id of tenantIds) {
    const { database, schema: name } = (await platform.control.tenant(id)).placement!;
    const table = tables.get(`${database}/${name}`) ?? { database, schema: name, tenants: [] };
    table.tenants.push(id);
    tables.set(`${database}/${name}`, table);
  }
  for (const { database, schema: name, tenants } of tables.values()) {
    await withClient(adminUrl(database), async (admin) => {
      const rows = await admin.unsafe<{ tenant: string; key: string; marker: string; n: number }[]>(
        `select tenant_id as tenant, key, marker, n from ${quoteIdentifier(name)}.notes`,
      );
      book.compare(tenants, rows);
    });
  }
}
