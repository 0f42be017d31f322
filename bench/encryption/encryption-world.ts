import { fileURLToPath } from 'node:url';
import type { KeyManager, Tiers } from '@godseye/tenancy';
import { createTestPlatform, type TestPlatform } from '@godseye/tenancy/testing';
import { databaseUrl, withAdmin } from '../admin.ts';
import { copyTenant } from '../copy-tenant.ts';
import { contactOf, contactTables } from './contact-tables.ts';

/** The tenant with many rows. */
export const modelTenant = 'keyed-tenant-1';
export const contactsOfModel = 1_000;
const contactsOfOthers = 10;

const row = { name: 'row', keyPolicy: 'platform', dedicatedCluster: false, priority: 0, isolation: 'row', maxLanes: 4 } as const;
const tiers: Tiers = { row };

/** A platform whose tenants have keys of their own and rows that are encrypted under them, all in one pool. */
export interface EncryptionWorld extends AsyncDisposable {
  readonly platform: TestPlatform<typeof contactTables>;
  /** The first is {@link modelTenant}; the others have ten rows each. */
  readonly tenantIds: readonly string[];
}

/**
 * @param adminUrl a superuser's URL of the server
 * @throws the signal's reason once it is aborted
 */
export async function createEncryptionWorld(adminUrl: string, tenants: number, signal: AbortSignal): Promise<EncryptionWorld> {
  const platform = await createTestPlatform({
    schema: contactTables,
    adminUrl,
    migrations: { directory: fileURLToPath(new URL('./migrations', import.meta.url)) },
    tiers,
    tenants: [{ id: modelTenant, tier: 'row' }],
  });
  try {
    const others = Array.from({ length: tenants - 1 }, (_, index) => `keyed-tenant-${index + 2}`);
    const catalogUrl = databaseUrl(adminUrl, new URL(platform.serviceCatalogUrl).pathname.slice(1));
    await copyTenant(catalogUrl, modelTenant, others);
    await giveKeys(catalogUrl, platform.keyManagers()[0]!, others);
    const tenantIds = [modelTenant, ...others];
    for (const tenantId of tenantIds) {
      signal.throwIfAborted();
      await fill(platform, tenantId, tenantId === modelTenant ? contactsOfModel : contactsOfOthers);
    }
    const { placement } = await platform.control.tenant(modelTenant);
    await withAdmin(databaseUrl(adminUrl, placement!.database), async (admin) => {
      await admin.unsafe(`analyze "${placement!.schema}".contacts, "${placement!.schema}".plain_contacts`);
    });
    await platform.tenancy.close();
    return { platform, tenantIds, [Symbol.asyncDispose]: () => platform.close() };
  } catch (error) {
    await platform.close();
    throw error;
  }
}

/** Copied tenants have copies of another's wrapped keys, which open for nobody but that one: each gets its own. */
async function giveKeys(catalogUrl: string, manager: KeyManager, tenantIds: readonly string[]): Promise<void> {
  await withAdmin(catalogUrl, async (admin) => {
    await admin.unsafe('set session_replication_role = replica');
    const keys = await admin<{ tenantId: string; purpose: string; keyRef: string }[]>`
      select tenant_id as "tenantId", purpose, key_ref as "keyRef" from tenancy.data_keys where tenant_id in ${admin([...tenantIds])}`;
    for (const { tenantId, purpose, keyRef } of keys) {
      const { wrapped } = await manager.generateDataKey(keyRef, { tenantId, purpose });
      await admin`update tenancy.data_keys set wrapped = ${wrapped.ciphertext}, key_version = ${wrapped.keyVersion ?? null}
        where tenant_id = ${tenantId} and purpose = ${purpose}`;
    }
  });
  await manager.close();
}

async function fill({ tenancy }: TestPlatform<typeof contactTables>, tenantId: string, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, id) => contactOf(id));
  await tenancy.run(tenantId, async () => {
    await tenancy.db.insert(contactTables.contacts).values(rows);
    await tenancy.db.insert(contactTables.plainContacts).values(rows);
  });
}
