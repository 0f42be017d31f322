import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { CredentialStore } from '../../../src/catalog/credential-store.ts';
import { KeyStore } from '../../../src/catalog/key-store.ts';
import type { Placement } from '../../../src/catalog/placement.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { urlFor } from '../../../src/provision/admin-client.ts';
import { ContextAuthority } from '../../../src/provision/context-authority.ts';
import { CredentialVault } from '../../../src/provision/credential-vault.ts';
import { OwnerAccess, type OwnerOfDatabase } from '../../../src/provision/owner-access.ts';
import { adminUrl } from '../server.ts';
import type { Shop } from './platform.ts';

/** The logins of a tenant's database, as the platform made them. */
export interface DatabaseLogins {
  readonly placement: Placement;
  readonly owner: OwnerOfDatabase;
  /** The URL of the very login that services have. */
  readonly serviceUrl: string;
}

export async function databaseLogins(shop: Shop, tenantId: string): Promise<DatabaseLogins> {
  const placement = (await shop.control.tenant(tenantId)).placement!;
  const { clusterId, database } = placement;
  const managers = new KeyManagers(shop.keyManagers());
  const catalog = await CatalogClient.open({ url: adminUrl(`${shop.rolePrefix}_catalog`) });
  try {
    const keys = new KeyStore(catalog);
    const vault = new CredentialVault({ store: new CredentialStore(catalog), keys, managers });
    const authority = new ContextAuthority({ store: keys, managers });
    const owners = new OwnerAccess({ vault, authority, adminUrls: new Map([[clusterId, adminUrl()]]) });
    const { user, password } = await vault.require('service', { clusterId, database });
    return { placement, owner: await owners.of({ clusterId, database }), serviceUrl: urlFor(adminUrl(), { database, user, password }) };
  } finally {
    await catalog.close();
    await managers.close();
  }
}
