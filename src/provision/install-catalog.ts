import { quoteIdentifier } from '../sql/identifier.ts';
import { applySqlSet } from '../sql/sql-set.ts';
import { urlFor, withClient } from './admin-client.ts';
import { ensureLogin, ensureMembership } from './login.ts';
import type { PlatformNames } from './names.ts';
import { closeOwnPublicSchema, closePublicSchema, createTenantDatabase } from './tenant-database.ts';

/**
 * Makes the catalog's roles and database and brings its tables to this release; idempotent.
 *
 * @returns the names of the SQL files that this call applied
 */
export async function installCatalog(adminUrl: string, names: PlatformNames): Promise<readonly string[]> {
  await withClient(adminUrl, async (admin) => {
    await ensureRole(admin, names.owner);
    await ensureMembership(admin, names.owner);
    await ensureRole(admin, names.catalog);
    await createTenantDatabase(admin, { database: names.catalogDatabase, owner: names.owner, app: names.catalog });
  });
  return await withClient(urlFor(adminUrl, { database: names.catalogDatabase }), async (admin) => {
    await closePublicSchema(admin, names.owner);
    await admin.unsafe(`set role ${quoteIdentifier(names.owner)}`);
    await closeOwnPublicSchema(admin);
    return await applySqlSet(admin, 'catalog', { owner: names.owner, catalog: names.catalog });
  });
}

/** A role that exists keeps its password: others may be logged in with it. */
async function ensureRole(admin: Parameters<typeof ensureLogin>[0], name: string): Promise<void> {
  await ensureLogin(admin, name, undefined);
}
