import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { chainKey } from '../../../src/audit/entry-mac.ts';
import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { CatalogReader } from '../../../src/catalog/catalog-reader.ts';
import { auditChainContext, contextMasterContext, dataContext, indexContext } from '../../../src/keys/key-context.ts';
import type { KeyManager } from '../../../src/kms/key-manager.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import { defaultTiers } from '../../../src/tenant/tier.ts';
import type { TestPlatform } from '../../../src/testing/test-platform.ts';

type Platform = Pick<TestPlatform<Record<string, unknown>>, 'adminUrl' | 'rolePrefix' | 'keyManagers'>;

/** Keys as bytes, unwrapped by the platform's key managers. */
export interface KnownKeys {
  /** The tenant's first data key. */
  readonly data: Buffer;
  /** Its blind-index secret. */
  readonly index: Buffer;
  /** The newest master of context keys, and its id. */
  readonly master: { readonly keyId: string; readonly bytes: Buffer };
}

export async function tenantKeyBytes(platform: Platform, tenantId: string): Promise<KnownKeys> {
  const managers = new KeyManagers(platform.keyManagers());
  const session = await CatalogClient.open({ url: urlFor(platform.adminUrl, { database: `${platform.rolePrefix}_catalog` }) });
  try {
    const reader = new CatalogReader({ session, tiers: defaultTiers });
    const { dataKeys, indexSecret } = await reader.wrappedKeys(tenantId);
    const [newest] = await reader.contextMasters();
    const { wrapped } = dataKeys[0]!;
    const data = await managers.for(wrapped.provider).unwrap(wrapped, dataContext(tenantId));
    const index = await managers.for(indexSecret.provider).unwrap(indexSecret, indexContext(tenantId));
    const master = await managers.for(newest!.wrapped.provider).unwrap(newest!.wrapped, contextMasterContext);
    return { data: data.export(), index: index.export(), master: { keyId: newest!.keyId, bytes: master.export() } };
  } finally {
    await session.close();
    await managers.close();
  }
}

/** The keys of every audit chain that was begun, newest last. */
export async function chainKeyBytes(platform: Platform): Promise<readonly Buffer[]> {
  const managers = new KeyManagers(platform.keyManagers());
  try {
    const writers = await withClient(
      urlFor(platform.adminUrl, { database: `${platform.rolePrefix}_catalog` }),
      async (sql) =>
        await sql<WriterRow[]>`select id::text, provider, key_ref, key_version, wrapped from tenancy.audit_writers order by started_at`,
    );
    return await Promise.all(
      writers.map(async ({ id, provider, key_ref: keyRef, key_version: version, wrapped: ciphertext }) => {
        const wrapped = { provider, keyRef, keyVersion: version ?? undefined, ciphertext };
        return chainKey(await managers.for(provider).unwrap(wrapped, auditChainContext), id).export();
      }),
    );
  } finally {
    await managers.close();
  }
}

interface WriterRow {
  readonly id: string;
  readonly provider: string;
  readonly key_ref: string;
  readonly key_version: string | null;
  readonly wrapped: Buffer;
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
