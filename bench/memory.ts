import { copyTenant } from './copy-tenant.ts';
import { reach } from './reach.ts';
import { settledMemory } from './settled-memory.ts';
import { tenantIds, type World } from './world.ts';

/** What a process holds for tenants that it has met, in bytes: how much it grew by. */
export interface MemoryUse {
  readonly tenants: number;
  readonly heapBytes: number;
  /** Resident memory grows in steps and rarely shrinks: read it as an upper bound. */
  readonly rssBytes: number;
}

const lookUpsAtATime = 16;

/**
 * Makes more tenants of row isolation known to the catalog, enters a scope of each once, and compares memory after a collection with
 * memory before.
 *
 * @throws the signal's reason once it is aborted
 */
export async function measureMemory(world: World, tenants: number, signal: AbortSignal): Promise<MemoryUse> {
  await reach(world);
  await using tenancy = await world.platform.open();
  await tenancy.run(tenantIds.row[0]!, () => {});
  const ids = Array.from({ length: tenants }, (_, index) => `known-${tenants}-${index + 1}`);
  await copyTenant(world.catalogUrl, tenantIds.row[0]!, ids);
  const before = settledMemory();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < ids.length) {
      signal.throwIfAborted();
      await tenancy.run(ids[next++]!, () => {});
    }
  };
  await Promise.all(Array.from({ length: lookUpsAtATime }, worker));
  const after = settledMemory();
  return { tenants, heapBytes: after.heapUsed - before.heapUsed, rssBytes: Math.max(0, after.rss - before.rss) };
}
