import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WrappedTenantKeys } from '../../../src/catalog/wrapped-tenant-keys.ts';
import { CachedKeyRing } from '../../../src/keys/cached-key-ring.ts';
import { makeTenantKeys } from '../../../src/keys/tenant-key-maker.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { LocalKeyManager } from '../../../src/kms/local.ts';

/** The local key manager, with its calls counted. */
class CountingKeyManager extends LocalKeyManager {
  calls = 0;
  override async unwrap(...call: Parameters<LocalKeyManager['unwrap']>) {
    this.calls += 1;
    return await super.unwrap(...call);
  }
}

let folder: string;
let kms: CountingKeyManager;
let keyRef: string;
const stored = new Map<string, WrappedTenantKeys>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-ring-'));
  kms = new CountingKeyManager({ file: join(folder, 'keys.json'), region: 'eu-central-1' });
  keyRef = await kms.createKey({ tenantId: 'platform', protection: 'software' });
});
afterAll(async () => {
  await kms.close();
  await rm(folder, { recursive: true, force: true });
});

async function tenants(count: number): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, n) => `t-${n}`);
  for (const tenantId of ids) {
    if (stored.has(tenantId)) continue;
    const { dataKey, indexSecret } = await makeTenantKeys(kms, keyRef, tenantId);
    stored.set(tenantId, { tenantId, dataKeys: [{ version: 1, wrapped: dataKey }], currentVersion: 1, indexSecret });
  }
  return ids;
}

const ringOf = (ttlMs?: number): CachedKeyRing =>
  new CachedKeyRing({ ttlMs, source: { load: async (tenantId) => stored.get(tenantId)! }, managers: new KeyManagers(kms) });

test('100,000 uses over 100 tenants with warm rings ask the key manager fewer than 10 times', async () => {
  const ids = await tenants(100);
  const ring = ringOf();
  for (const id of ids) await ring.load(id);
  expect(kms.calls).toBe(200);
  for (let use = 0; use < 100_000; use++) if (ring.cached(ids[use % ids.length]!) === undefined) await ring.load(ids[use % ids.length]!);
  expect(kms.calls - 200).toBeLessThan(10);
  await ring.close();
  // Control: a ring that keeps nothing asks each time.
  const forgetful = ringOf(0);
  const before = kms.calls;
  for (let use = 0; use < 50; use++) if (forgetful.cached(ids[use]!) === undefined) await forgetful.load(ids[use]!);
  expect(kms.calls - before).toBe(100);
  await forgetful.close();
});

test('memory does not grow with how often keys are fetched', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const ids = await tenants(1_500);
  const ring = ringOf();
  // What the first fetches bring along once and for all is not counted.
  for (const id of ids.slice(0, 100)) await ring.load(id);
  const empty = used();
  for (const id of ids.slice(100)) await ring.load(id);
  const many = used() - empty;
  for (let round = 0; round < 2; round++) for (const id of ids) await ring.reload(id);
  const again = used() - empty;
  expect(many).toBeGreaterThan(0);
  expect(again / many).toBeLessThan(2);
  await ring.close();
}, 60_000);
