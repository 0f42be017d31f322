import { urlFor, withClient } from './admin-client.ts';
import type { CredentialVault } from './credential-vault.ts';
import { ensureLogin } from './login.ts';
import type { PlatformNames } from './names.ts';

/** Under this name the catalog's own server keeps its login: no cluster can have it. */
const catalogServer = '@catalog';

/**
 * The URL that services open the catalog with. Its password is kept among the owner's credentials, which services can't read: each
 * gets it from whoever ran `init`.
 */
export async function catalogLogin(adminUrl: string, names: PlatformNames, vault: CredentialVault): Promise<string> {
  const address = { clusterId: catalogServer, database: names.catalogDatabase };
  const credentials = await vault.ensure('owner', address, names.catalog, async ({ user, password }) => {
    await withClient(adminUrl, async (admin) => await ensureLogin(admin, user, password));
  });
  return urlFor(adminUrl, { database: names.catalogDatabase, ...credentials });
}
