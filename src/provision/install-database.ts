import type { Sql } from 'postgres';
import type { DatabaseAddress, DatabaseCredentials } from '../connection/credentials.ts';
import { installReferencePolicies } from '../rls/install-policies.ts';
import { applySqlSet } from '../sql/sql-set.ts';
import { urlFor, withClient } from './admin-client.ts';
import type { ContextAuthority } from './context-authority.ts';
import type { CredentialVault } from './credential-vault.ts';
import { guardNewTables } from './guard-new-tables.ts';
import { ensureLogin, ensureMembership } from './login.ts';
import { closeOwnPublicSchema, closePublicSchema, createTenantDatabase } from './tenant-database.ts';

/** What installing a tenant database works with. */
export interface InstallDatabaseParts {
  readonly vault: CredentialVault;
  readonly authority: ContextAuthority;
}

/** A database for tenants, with the names of its two logins. */
export interface DatabaseNames {
  readonly database: string;
  readonly owner: string;
  readonly app: string;
}

/** What {@link installDatabase} made or found. */
export interface InstalledDatabase {
  /** Whether the database was made by this call. */
  readonly created: boolean;
  readonly owner: DatabaseCredentials;
  /** The names of the SQL files that this call applied. */
  readonly applied: readonly string[];
}

/**
 * Makes a database for tenants with its logins, functions and context key; idempotent.
 *
 * @param adminUrl a login of the server that may create roles and databases
 */
export async function installDatabase(
  adminUrl: string,
  clusterId: string,
  names: DatabaseNames,
  parts: InstallDatabaseParts,
): Promise<InstalledDatabase> {
  const address: DatabaseAddress = { clusterId, database: names.database };
  const { created, owner } = await withClient(adminUrl, async (admin) => {
    const setPassword = async ({ user, password }: DatabaseCredentials): Promise<void> => await ensureLogin(admin, user, password);
    const ownerLogin = await parts.vault.ensure('owner', address, names.owner, setPassword);
    await ensureMembership(admin, names.owner);
    await parts.vault.ensure('service', address, names.app, setPassword);
    return { created: await createTenantDatabase(admin, names), owner: ownerLogin };
  });
  const inDatabase = urlFor(adminUrl, { database: names.database });
  await withClient(inDatabase, async (admin) => await closePublicSchema(admin, names.owner));
  const applied = await withClient(urlFor(adminUrl, { database: names.database, ...owner }), async (sql) => {
    await closeOwnPublicSchema(sql);
    const files = await applySqlSet(sql, 'database', { owner: names.owner, app: names.app });
    await parts.authority.install(sql, address);
    await installReferenceRows(sql, names);
    return files;
  });
  await withClient(inDatabase, async (admin) => await guardNewTables(admin, names));
  return { created, owner, applied };
}

async function installReferenceRows(sql: Sql, names: DatabaseNames): Promise<void> {
  await installReferencePolicies(sql, { ownerRole: names.owner, appRole: names.app });
}
