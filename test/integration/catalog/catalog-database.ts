import { randomBytes } from 'node:crypto';
import type { Sql } from 'postgres';
import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { installCatalog } from '../../../src/provision/install-catalog.ts';
import { platformNames } from '../../../src/provision/names.ts';
import { adminClient, adminUrl, uniquePrefix, urlOf } from '../../support/server.ts';

/** A catalog as `tenancy init` makes it, with its service login; all of it is dropped when disposed. */
export interface CatalogDatabase extends AsyncDisposable {
  readonly name: string;
  /** A superuser on the catalog's database, to prepare and to look. */
  readonly admin: Sql;
  /** The owner's side, as the control plane opens it. */
  readonly owner: CatalogClient;
  /** What services log in as, and its URL. */
  readonly login: string;
  readonly serviceUrl: string;
}

export async function createCatalogDatabase(): Promise<CatalogDatabase> {
  const names = platformNames(uniquePrefix());
  const password = randomBytes(12).toString('hex');
  const drop = async (): Promise<void> => {
    const server = adminClient();
    await server.unsafe(`drop database if exists "${names.catalogDatabase}" with (force)`);
    await server.unsafe(`drop role if exists "${names.catalog}"`);
    await server.unsafe(`drop role if exists "${names.owner}"`);
    await server.end();
  };
  const admin = adminClient(names.catalogDatabase);
  try {
    await installCatalog(adminUrl(), names);
    await admin.unsafe(`alter role "${names.catalog}" password '${password}'`);
    const owner = await CatalogClient.open({ url: adminUrl(names.catalogDatabase), applicationName: 'tenancy-control' });
    return {
      name: names.catalogDatabase,
      admin,
      owner,
      login: names.catalog,
      serviceUrl: urlOf(names.catalog, password, names.catalogDatabase),
      async [Symbol.asyncDispose]() {
        await owner.close();
        await admin.end();
        await drop();
      },
    };
  } catch (error) {
    await admin.end();
    await drop();
    throw error;
  }
}
