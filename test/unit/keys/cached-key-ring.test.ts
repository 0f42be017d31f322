import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WrappedTenantKeys } from '../../../src/catalog/wrapped-tenant-keys.ts';
import { decryptValue, encryptValue } from '../../../src/crypto/column-codec.ts';
import type { LocalTenantKeys } from '../../../src/crypto/local-tenant-keys.ts';
import {
  AbortedError,
  CatalogError,
  ClosedError,
  ConfigurationError,
  EncryptedColumnError,
  KeyManagerError,
  UnknownTenantError,
} from '../../../src/errors.ts';
import { CachedKeyRing, type CachedKeyRingOptions } from '../../../src/keys/cached-key-ring.ts';
import { dataContext } from '../../../src/keys/key-context.ts';
import { makeTenantKeys } from '../../../src/keys/tenant-key-maker.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { type LocalKeyManager, localKeyManager } from '../../../src/kms/local.ts';

const minute = 60_000;
let folder: string;
let file: string;
let kms: LocalKeyManager;
let keyRef: string;
let stored: Map<string, WrappedTenantKeys>;
let loads: number;
/** Set to let the next fetches fail or wait where the catalog is asked. */
let onLoad: (tenantId: string) => Promise<void>;
let rings: CachedKeyRing[];

const ringOf = (options: Partial<CachedKeyRingOptions> = {}): CachedKeyRing => {
  const source = {
    async load(tenantId: string): Promise<WrappedTenantKeys> {
      loads += 1;
      const found = stored.get(tenantId);
      await onLoad(tenantId);
      if (found === undefined) throw new UnknownTenantError(`There is no tenant "${tenantId}".`);
      return found;
    },
  };
  const ring = new CachedKeyRing({ source, managers: new KeyManagers(kms), ...options });
  rings.push(ring);
  return ring;
};

async function store(tenantId: string): Promise<void> {
  const { dataKey, indexSecret } = await makeTenantKeys(kms, keyRef, tenantId);
  stored.set(tenantId, { tenantId, dataKeys: [{ version: 1, wrapped: dataKey }], currentVersion: 1, indexSecret });
}

/** Moves the clock that keys age by; timers and the file system go on as they are. */
function age(ms: number): void {
  const at = performance.now() + ms;
  vi.restoreAllMocks();
  vi.spyOn(performance, 'now').mockImplementation(() => at);
}

async function settled(ring: CachedKeyRing, tenantId: string, until: () => boolean): Promise<void> {
  await vi.waitFor(() => {
    if (!until()) throw new Error(`not yet: ${String(ring.cached(tenantId) !== undefined)}`);
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-ring-'));
  file = join(folder, 'keys.json');
  kms = localKeyManager({ file, region: 'eu-central-1' });
  keyRef = await kms.createKey({ tenantId: 'platform', protection: 'software' });
  stored = new Map();
  loads = 0;
  onLoad = async () => {};
  rings = [];
  await store('tenant-100');
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const ring of rings) await ring.close();
  await kms.close();
  await rm(folder, { recursive: true, force: true });
});

describe('CachedKeyRing', () => {
  it('unwraps a tenant’s keys once and serves them from memory', async () => {
    const ring = ringOf();
    expect(ring.cached('tenant-100')).toBeUndefined();
    const keys = await ring.load('tenant-100');
    expect(ring.cached('tenant-100')).toBe(keys);
    expect(await ring.load('tenant-100')).toBe(keys);
    expect(loads).toBe(1);
    const place = { table: 'products', column: 'supplier_iban' };
    const encrypted = encryptValue(keys, place, Buffer.from('x'));
    expect(decryptValue(await ringOf().load('tenant-100'), place, encrypted).toString()).toBe('x');
  });

  it('has all versions of a rotated key', async () => {
    const before = await ringOf().load('tenant-100');
    const record = stored.get('tenant-100')!;
    const { wrapped } = await kms.generateDataKey(keyRef, dataContext('tenant-100'));
    stored.set('tenant-100', { ...record, dataKeys: [...record.dataKeys, { version: 2, wrapped }], currentVersion: 2 });
    const after = await ringOf().load('tenant-100');
    expect(after.currentVersion).toBe(2);
    expect(after.dataKey(1)!.equals(before.dataKey(1)!)).toBe(true);
    expect(after.indexKey('t', 'c').equals(before.indexKey('t', 'c'))).toBe(true);
  });

  it('shares one fetch among all that wait', async () => {
    const ring = ringOf();
    const all = await Promise.all(Array.from({ length: 50 }, () => ring.load('tenant-100')));
    expect(new Set(all).size).toBe(1);
    expect(loads).toBe(1);
  });

  it('lets a caller’s abort end its own wait only', async () => {
    const gate = gated();
    onLoad = () => gate.open;
    const ring = ringOf();
    const leaving = new AbortController();
    const [left, stayed] = [ring.load('tenant-100', leaving.signal), ring.load('tenant-100')];
    leaving.abort();
    await expect(left).rejects.toBeInstanceOf(AbortedError);
    await expect(ring.load('tenant-100', AbortSignal.abort())).rejects.toBeInstanceOf(AbortedError);
    gate.release();
    expect((await stayed).tenantId).toBe('tenant-100');
    expect(loads).toBe(1);
  });

  it('never keeps a failure', async () => {
    const ring = ringOf();
    onLoad = () => Promise.reject(new CatalogError('The catalog is away.', { retryable: true }));
    await expect(ring.load('tenant-100')).rejects.toBeInstanceOf(CatalogError);
    await expect(ring.load('tenant-200')).rejects.toBeInstanceOf(CatalogError);
    onLoad = async () => {};
    expect((await ring.load('tenant-100')).tenantId).toBe('tenant-100');
    await expect(ring.load('tenant-200')).rejects.toBeInstanceOf(UnknownTenantError);
  });

  it.each(['ends before', 'is under way when'])(
    'neither keeps nor hands out what was fetched before it was told to forget; a later fetch %s it ends',
    async (order) => {
      const gate = gated();
      onLoad = () => gate.open;
      const ring = ringOf();
      const early = ring.load('tenant-100');
      await vi.waitFor(() => expect(loads).toBe(1));
      ring.evict('tenant-100');
      onLoad = async () => {};
      const late = ring.load('tenant-100');
      if (order === 'ends before') await late;
      gate.release();
      const [first, second] = await Promise.all([early, late]);
      expect(first).toBe(second);
      expect(loads).toBe(2);
      expect(ring.cached('tenant-100')).toBe(second);

      const again = gated();
      onLoad = () => again.open;
      ring.evict('tenant-100');
      expect(ring.cached('tenant-100')).toBeUndefined();
      const lost = ring.load('tenant-100');
      await vi.waitFor(() => expect(loads).toBe(3));
      ring.evict('tenant-100');
      stored.delete('tenant-100');
      again.release();
      await expect(lost).rejects.toBeInstanceOf(UnknownTenantError);
      expect(ring.cached('tenant-100')).toBeUndefined();
    },
  );

  it('gives statements under way the versions that are fetched later, and takes away those that are gone', async () => {
    const ring = ringOf();
    const held = (await ring.load('tenant-100')) as LocalTenantKeys;
    const record = stored.get('tenant-100')!;
    const { key, wrapped } = await kms.generateDataKey(keyRef, dataContext('tenant-100'));
    stored.set('tenant-100', { ...record, dataKeys: [...record.dataKeys, { version: 2, wrapped }] });
    ring.evict('tenant-100');
    expect(held.dataKey(2)).toBeUndefined();
    await ring.reload('tenant-100');
    expect(held.dataKey(2)!.equals(key)).toBe(true);
    stored.set('tenant-100', { ...record, dataKeys: [{ version: 2, wrapped }], currentVersion: 2 });
    await ring.reload('tenant-100');
    expect(held.dataKey(1)).toBeUndefined();
    expect(held.currentVersion).toBe(1);
    ring.forget('tenant-100');
    expect(held.dataKey(2)).toBeUndefined();
    expect(() => held.indexKey('t', 'c')).toThrow(EncryptedColumnError);
    expect(ring.cached('tenant-100')).toBeUndefined();
  });

  it('says that keys were not fetched anew while older ones are in use, and fetches none where there are none', async () => {
    const ring = ringOf();
    await ring.reload('tenant-100');
    expect(loads).toBe(0);
    const keys = await ring.load('tenant-100');
    onLoad = () => Promise.reject(new KeyManagerError('The key manager is away.', { reason: 'unavailable' }));
    await expect(ring.reload('tenant-100')).rejects.toMatchObject({ reason: 'unavailable' });
    expect(ring.cached('tenant-100')).toBe(keys);
    stored.delete('tenant-100');
    onLoad = async () => {};
    await ring.reload('tenant-100');
    expect(ring.cached('tenant-100')).toBeUndefined();
  });

  it('tells how each fetch ended, and nothing of uses', async () => {
    const heard: unknown[] = [];
    const ring = ringOf({ onLoad: (tenantId, load) => heard.push([tenantId, load.outcome]) });
    await ring.load('tenant-100');
    for (let use = 0; use < 100; use++) ring.cached('tenant-100');
    await kms.disable(keyRef);
    await ring.reload('tenant-100');
    expect(heard).toEqual([
      ['tenant-100', 'unwrapped'],
      ['tenant-100', 'refused'],
    ]);
  });

  it('forgets those used longest ago when there are too many', async () => {
    for (const id of ['a', 'b', 'c']) await store(id);
    const ring = ringOf({ maxEntries: 2 });
    await ring.load('a');
    await ring.load('b');
    ring.cached('a');
    await ring.load('c');
    expect(['a', 'b', 'c'].map((id) => ring.cached(id) !== undefined)).toEqual([true, false, true]);
  });

  it('asks again when keys are too old, and before that in the background', async () => {
    const ring = ringOf();
    const first = await ring.load('tenant-100');
    age(3.9 * minute);
    expect(ring.cached('tenant-100')).toBe(first);
    expect(loads).toBe(1);
    age(0.2 * minute);
    expect(ring.cached('tenant-100')).toBe(first);
    await settled(ring, 'tenant-100', () => ring.cached('tenant-100') !== first);
    expect(loads).toBe(2);
    age(5 * minute);
    expect(ring.cached('tenant-100')).toBeUndefined();
    await ring.load('tenant-100');
    expect(loads).toBe(3);
  });

  it.each(['unavailable', 'throttled'] as const)('goes on with its keys for a while when the key manager is %s', async (reason) => {
    const ring = ringOf();
    const keys = await ring.load('tenant-100');
    onLoad = () => Promise.reject(new KeyManagerError('The key manager is away.', { reason }));
    age(6 * minute);
    expect(ring.cached('tenant-100')).toBeUndefined();
    expect(await ring.load('tenant-100')).toBe(keys);
    // Until it is asked again, queries do not wait for it.
    expect(ring.cached('tenant-100')).toBe(keys);
    expect(loads).toBe(2);
    age(13 * minute);
    expect(await ring.load('tenant-100')).toBe(keys);
    age(2 * minute);
    await expect(ring.load('tenant-100')).rejects.toMatchObject({ reason });
    await expect(ring.load('tenant-100')).rejects.toMatchObject({ reason });
    onLoad = async () => {};
    expect(await ring.load('tenant-100')).not.toBe(keys);
  });

  it('keeps no keys past their time where that is the choice', async () => {
    const ring = ringOf({ staleGraceMs: 0 });
    await ring.load('tenant-100');
    onLoad = () => Promise.reject(new KeyManagerError('The key manager is away.', { reason: 'unavailable' }));
    age(6 * minute);
    await expect(ring.load('tenant-100')).rejects.toMatchObject({ reason: 'unavailable' });
  });

  it.each([
    ['disabled', () => kms.disable(keyRef)],
    ['pendingDeletion', () => kms.scheduleDeletion(keyRef, 7)],
    ['notFound', () => kms.scheduleDeletion(keyRef, 0)],
    ['denied', () => chmod(file, 0o644)],
  ] as const)('ends keys at once when the key manager says %s, also those it kept while that was away', async (reason, refuse) => {
    const ring = ringOf();
    const keys = await ring.load('tenant-100');
    onLoad = () => Promise.reject(new KeyManagerError('The key manager is away.', { reason: 'unavailable' }));
    age(6 * minute);
    expect(await ring.load('tenant-100')).toBe(keys);
    onLoad = async () => {};
    await refuse();
    age(0.2 * minute);
    await expect(ring.load('tenant-100')).rejects.toMatchObject({ reason });
    expect(ring.cached('tenant-100')).toBeUndefined();
    await expect(ring.load('tenant-100')).rejects.toMatchObject({ reason });
  });

  it('ends fresh keys when a background fetch is refused', async () => {
    const ring = ringOf();
    await ring.load('tenant-100');
    await kms.disable(keyRef);
    age(4.5 * minute);
    expect(ring.cached('tenant-100')).toBeDefined();
    await settled(ring, 'tenant-100', () => ring.cached('tenant-100') === undefined);
  });

  it('leaves fresh keys alone when a background fetch fails for another reason, and gives those no grace', async () => {
    const ring = ringOf();
    const keys = await ring.load('tenant-100');
    onLoad = () => Promise.reject(new Error('a bug'));
    age(4.5 * minute);
    ring.cached('tenant-100');
    await vi.waitFor(() => expect(loads).toBe(2));
    await new Promise((resolve) => setImmediate(resolve));
    expect(ring.cached('tenant-100')).toBe(keys);
    age(1 * minute);
    await expect(ring.load('tenant-100')).rejects.toThrow('a bug');
  });

  it('gives up on a fetch that hangs', async () => {
    onLoad = () => new Promise(() => {});
    await expect(ringOf({ loadTimeoutMs: 30 }).load('tenant-100')).rejects.toMatchObject({ reason: 'unavailable', tenantId: 'tenant-100' });
  });

  it('refuses keys of another tenant, by the record’s name and by what they were wrapped for', async () => {
    await store('tenant-200');
    const theirs = stored.get('tenant-200')!;
    stored.set('tenant-100', theirs);
    await expect(ringOf().load('tenant-100')).rejects.toBeInstanceOf(CatalogError);
    stored.set('tenant-100', { ...theirs, tenantId: 'tenant-100' });
    await expect(ringOf().load('tenant-100')).rejects.toMatchObject({ reason: 'invalidCiphertext' });
  });

  it('can be closed twice, forgets everything and ends what is under way', async () => {
    const ring = ringOf();
    await ring.load('tenant-100');
    await store('tenant-200');
    onLoad = () => new Promise(() => {});
    const hanging = ring.load('tenant-200');
    const ended = expect(hanging).rejects.toBeInstanceOf(ClosedError);
    await ring.close();
    await ring.close();
    await ended;
    expect(ring.cached('tenant-100')).toBeUndefined();
    await expect(ring.load('tenant-100')).rejects.toBeInstanceOf(ClosedError);
  });

  it.each([{ ttlMs: -1 }, { maxEntries: 0 }, { refreshMs: 400_000 }, { staleGraceMs: Number.NaN }])(
    'refuses options that make no sense (%o)',
    (options) => {
      expect(() => ringOf(options)).toThrow(ConfigurationError);
    },
  );
});

function gated(): { readonly open: Promise<void>; readonly release: () => void } {
  let release = (): void => {};
  const open = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { open, release };
}
