import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { CatalogReader } from '../../../src/catalog/catalog-reader.ts';
import { dataContext, indexContext } from '../../../src/keys/key-context.ts';
import type { KeyManager } from '../../../src/kms/key-manager.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { urlFor } from '../../../src/provision/admin-client.ts';
import { defaultTiers } from '../../../src/tenant/tier.ts';
import type { TestPlatform } from '../../../src/testing/test-platform.ts';

type Platform = Pick<TestPlatform<Record<string, unknown>>, 'adminUrl' | 'rolePrefix' | 'keyManagers'>;

/** A tenant's data key (its first version) and blind-index secret as bytes, unwrapped by the platform's key managers. */
export async function tenantKeyBytes(platform: Platform, tenantId: string): Promise<{ readonly data: Buffer; readonly index: Buffer }> {
  const managers = new KeyManagers(platform.keyManagers());
  const session = await CatalogClient.open({ url: urlFor(platform.adminUrl, { database: `${platform.rolePrefix}_catalog` }) });
  try {
    const { dataKeys, indexSecret } = await new CatalogReader({ session, tiers: defaultTiers }).wrappedKeys(tenantId);
    const { wrapped } = dataKeys[0]!;
    const data = await managers.for(wrapped.provider).unwrap(wrapped, dataContext(tenantId));
    const index = await managers.for(indexSecret.provider).unwrap(indexSecret, indexContext(tenantId));
    return { data: data.export(), index: index.export() };
  } finally {
    await session.close();
    await managers.close();
  }
}

/** Where a local key manager has its file. */
export function keyFileOf(manager: KeyManager): string {
  return /\((.*), /.exec(inspect(manager))![1]!;
}

/** The KEKs of a key file as bytes, by tenant (or `platform`) and version. */
export async function kekBytes(file: string): Promise<ReadonlyMap<string, Buffer>> {
  const { keys } = JSON.parse(await readFile(file, 'utf8')) as {
    keys: { tenantId: string; id: string; versions: { version: number; material: string }[] }[];
  };
  return new Map(
    keys.flatMap(({ tenantId, id, versions }) =>
      versions.map(({ version, material }) => [`the KEK of ${tenantId} (${id}, version ${version})`, Buffer.from(material, 'base64')]),
    ),
  );
}
