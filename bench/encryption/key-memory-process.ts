import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blindTag, wholeTag } from '../../src/crypto/blind-tag.ts';
import { encryptValue } from '../../src/crypto/column-codec.ts';
import { CachedKeyRing } from '../../src/keys/cached-key-ring.ts';
import { dataContext, indexContext } from '../../src/keys/key-context.ts';
import { KeyManagers } from '../../src/kms/key-managers.ts';
import { localKeyManager } from '../../src/kms/local.ts';
import { settledMemory } from '../settled-memory.ts';
import type { KeyMemory, MemoryGrowth } from './key-memory.ts';

const loadsAtATime = 16;

/** Wraps keys for so many tenants with a real key file, and has a key ring fetch them all. */
async function measure(tenants: number): Promise<KeyMemory> {
  const folder = await mkdtemp(join(tmpdir(), 'tenancy-bench-'));
  const manager = localKeyManager({ file: join(folder, 'keys.json'), region: 'us-east-1' });
  try {
    const keyRef = await manager.createKey({ tenantId: 'platform', protection: 'software' });
    // Wrapped when they are asked for, so that no list of wrapped keys is in memory.
    const load = async (tenantId: string) => {
      const [data, index] = [
        await manager.generateDataKey(keyRef, dataContext(tenantId)),
        await manager.generateDataKey(keyRef, indexContext(tenantId)),
      ];
      return { tenantId, currentVersion: 1, dataKeys: [{ version: 1, wrapped: data.wrapped }], indexSecret: index.wrapped };
    };
    await using ring = new CachedKeyRing({ source: { load }, managers: new KeyManagers(manager), maxEntries: tenants + 1 });
    const fetchAll = async (name: string, count: number): Promise<void> => {
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < count) {
          await ring.load(`${name}-${next++}`);
        }
      };
      await Promise.all(Array.from({ length: loadsAtATime }, worker));
    };
    // What code and buffers take is there before the first figure is taken.
    await fetchAll('warm', 500);
    for (let index = 0; index < 500; index++) ring.evict(`warm-${index}`);
    const before = settledMemory();
    const growth = (): MemoryGrowth => {
      const { heapUsed, rss } = settledMemory();
      return { heapBytes: heapUsed - before.heapUsed, rssBytes: Math.max(0, rss - before.rss) };
    };
    await fetchAll('tenant', tenants);
    const loaded = growth();
    const value = Buffer.alloc(64, 'value');
    for (let index = 0; index < tenants; index++) {
      const keys = ring.cached(`tenant-${index}`);
      if (keys === undefined) throw new Error(`the ring of ${tenants} tenants does not have the keys of number ${index} any more`);
      encryptValue(keys, { table: 'contacts', column: 'iban' }, value);
      blindTag(keys, { table: 'contacts', column: 'email', normalise: 'exact', bits: wholeTag }, value);
    }
    return { tenants, loaded, used: growth() };
  } finally {
    await manager.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/* One measurement in a process of its own, whose memory nothing else has used before; see measureKeyMemory. */
process.stdout.write(JSON.stringify(await measure(Number(process.argv[2]))));
