import { describe, expect, test } from 'vitest';
import { CachedCatalog } from '../../../src/catalog/cached-catalog.ts';
import type { TenantRecord } from '../../../src/catalog/tenant-record.ts';
import { AbortedError, CatalogError, ClosedError, InvalidTenantIdError, UnknownTenantError } from '../../../src/errors.ts';
import { recordOf } from './records.ts';

/** A reader whose answers the test gives one by one. */
function manualReader() {
  const asked: { id: string; resolve: (record: TenantRecord | undefined) => void; reject: (error: unknown) => void }[] = [];
  return {
    asked,
    tenantRecord: (id: string) =>
      new Promise<TenantRecord | undefined>((resolve, reject) => {
        asked.push({ id, resolve, reject });
      }),
  };
}

function clock() {
  let ms = 0;
  return {
    now: () => ms,
    advance: (by: number) => {
      ms += by;
    },
  };
}

const settled = async (): Promise<void> => {
  await new Promise((resolve) => setImmediate(resolve));
};

describe('CachedCatalog', () => {
  test('loads once for all who ask at the same time, then answers from memory', async () => {
    const reader = manualReader();
    const catalog = new CachedCatalog({ reader });
    const both = Promise.all([catalog.record('a'), catalog.record('a')]);
    expect(reader.asked).toHaveLength(1);
    const record = recordOf('a');
    reader.asked[0]!.resolve(record);
    expect(await both).toEqual([record, record]);
    expect(catalog.cached('a')).toBe(record);
    expect(await catalog.record('a')).toBe(record);
    expect(reader.asked).toHaveLength(1);
  });

  test('an answer read before an invalidation is neither kept nor given out', async () => {
    const reader = manualReader();
    const catalog = new CachedCatalog({ reader });
    const before = catalog.record('a');
    catalog.invalidate('a');
    const after = catalog.record('a');
    expect(reader.asked).toHaveLength(2);
    const [old, fresh] = [recordOf('a', { status: 'active' }), recordOf('a', { status: 'suspended' })];
    reader.asked[1]!.resolve(fresh);
    expect(await after).toBe(fresh);
    reader.asked[0]!.resolve(old);
    expect(await before).toBe(fresh);
    expect(catalog.cached('a')).toBe(fresh);
    expect(reader.asked).toHaveLength(2);
  });

  test('the same when everything is invalidated, and another tenant’s invalidation does not matter', async () => {
    const reader = manualReader();
    const catalog = new CachedCatalog({ reader });
    const asked = catalog.record('a');
    catalog.invalidate('b');
    catalog.invalidate();
    reader.asked[0]!.resolve(recordOf('a', { epoch: 1 }));
    await settled();
    expect(catalog.cached('a')).toBeUndefined();
    reader.asked[1]!.resolve(recordOf('a', { epoch: 2 }));
    expect((await asked).placement.epoch).toBe(2);
  });

  test('a tenant that changes all the time is still answered', async () => {
    let reads = 0;
    const catalog: CachedCatalog = new CachedCatalog({
      reader: {
        tenantRecord: async (id) => {
          reads++;
          queueMicrotask(() => catalog.invalidate(id));
          await settled();
          return recordOf(id);
        },
      },
    });
    expect((await catalog.record('a')).tenant.id).toBe('a');
    expect(reads).toBe(3);
    expect(catalog.cached('a')).toBeUndefined();
  });

  test('unheard changes are bounded to a second: without a listener records live no longer', async () => {
    const time = clock();
    const reader = manualReader();
    const catalog = new CachedCatalog({ reader, now: time.now });
    const first = catalog.record('a');
    reader.asked[0]!.resolve(recordOf('a'));
    await first;
    time.advance(999);
    expect(catalog.cached('a')).toBeDefined();
    time.advance(1);
    expect(catalog.cached('a')).toBeUndefined();
  });

  test('age counts from when the read began', async () => {
    const time = clock();
    const reader = manualReader();
    const catalog = new CachedCatalog({ reader, now: time.now });
    const slow = catalog.record('a');
    time.advance(1_500);
    reader.asked[0]!.resolve(recordOf('a'));
    await slow;
    expect(catalog.cached('a')).toBeUndefined();
  });

  test('a record that was read again unchanged stays the same object; a changed one is announced', async () => {
    const time = clock();
    let epoch = 1;
    const catalog = new CachedCatalog({ reader: { tenantRecord: async (id) => recordOf(id, { epoch }) }, now: time.now });
    const told: (string | undefined)[] = [];
    catalog.onInvalidate((id) => told.push(id));
    const first = await catalog.record('a');
    time.advance(5_000);
    expect(await catalog.record('a')).toBe(first);
    expect(told).toEqual([]);
    time.advance(5_000);
    epoch = 2;
    expect(await catalog.record('a')).not.toBe(first);
    expect(told).toEqual(['a']);
  });

  test('an unknown id is remembered for a second', async () => {
    const time = clock();
    let reads = 0;
    const catalog = new CachedCatalog({
      reader: {
        tenantRecord: async () => {
          reads++;
          return undefined;
        },
      },
      now: time.now,
    });
    await expect(catalog.record('ghost')).rejects.toThrow(UnknownTenantError);
    await expect(catalog.record('ghost')).rejects.toThrow(UnknownTenantError);
    expect(reads).toBe(1);
    time.advance(1_000);
    await expect(catalog.record('ghost')).rejects.toThrow(UnknownTenantError);
    expect(reads).toBe(2);
    catalog.invalidate('ghost');
    await expect(catalog.record('ghost')).rejects.toThrow(UnknownTenantError);
    expect(reads).toBe(3);
  });

  test('a flood of unknown ids pushes out no tenant, and one of look-ups is cut off', async () => {
    const reader = manualReader();
    const catalog = new CachedCatalog({ reader, maxEntries: 2, now: () => 0 });
    const known = catalog.record('known');
    reader.asked[0]!.resolve(recordOf('known'));
    await known;
    const flood = Array.from({ length: 1_500 }, (_, n) => catalog.record(`ghost-${n}`).catch((error: unknown) => error));
    expect(reader.asked.length).toBe(1_001);
    for (const { resolve } of reader.asked.slice(1)) resolve(undefined);
    const errors = await Promise.all(flood);
    expect(errors.filter((error) => error instanceof UnknownTenantError)).toHaveLength(1_000);
    const refused = errors.filter((error) => error instanceof CatalogError);
    expect(refused).toHaveLength(500);
    expect(refused.every((error) => error.retryable)).toBe(true);
    expect(catalog.cached('known')).toBeDefined();
  });

  test('keeps at most maxEntries, the latest read', async () => {
    const catalog = new CachedCatalog({ reader: { tenantRecord: async (id) => recordOf(id) }, maxEntries: 2, now: () => 0 });
    for (const id of ['a', 'b', 'c']) await catalog.record(id);
    expect(['a', 'b', 'c'].map((id) => catalog.cached(id)?.tenant.id)).toEqual([undefined, 'b', 'c']);
  });

  test('an id that can’t be one never reaches the catalog', async () => {
    const reader = manualReader();
    const catalog = new CachedCatalog({ reader });
    await expect(catalog.record("a'; drop table tenants")).rejects.toThrow(InvalidTenantIdError);
    expect(reader.asked).toHaveLength(0);
  });

  test('a catalog that is away is asked again by the next one, and what is known stays until it is too old', async () => {
    const time = clock();
    const reader = manualReader();
    const catalog = new CachedCatalog({ reader, now: time.now });
    const first = catalog.record('a');
    reader.asked[0]!.reject(new CatalogError('away', { retryable: true }));
    await expect(first).rejects.toThrow(CatalogError);
    const second = catalog.record('a');
    reader.asked[1]!.resolve(recordOf('a'));
    expect(await second).toBeDefined();
  });

  test('a signal ends one caller’s wait, not the load', async () => {
    const reader = manualReader();
    const catalog = new CachedCatalog({ reader });
    const controller = new AbortController();
    const impatient = catalog.record('a', controller.signal);
    const patient = catalog.record('a');
    controller.abort();
    await expect(impatient).rejects.toThrow(AbortedError);
    reader.asked[0]!.resolve(recordOf('a'));
    expect((await patient).tenant.id).toBe('a');
    expect(reader.asked).toHaveLength(1);
  });

  test('after close nothing is answered or kept', async () => {
    const reader = manualReader();
    const catalog = new CachedCatalog({ reader });
    const late = catalog.record('a');
    await catalog.close();
    reader.asked[0]!.resolve(recordOf('a'));
    await late;
    expect(catalog.cached('a')).toBeUndefined();
    await expect(catalog.record('a')).rejects.toThrow(ClosedError);
  });
});
