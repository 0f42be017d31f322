import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { withAdmin } from './admin.ts';
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
  const prefix = await addTenants(world, tenants);
  await using tenancy = await world.platform.open();
  await tenancy.run(tenantIds.row[0]!, () => {});
  const ids = Array.from({ length: tenants }, (_, index) => `${prefix}${index + 1}`);
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

function settledMemory(): NodeJS.MemoryUsage {
  collect();
  collect();
  return process.memoryUsage();
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * Copies of one tenant in the catalog, keys and placement included: nothing asks for the keys, and in row isolation nothing else belongs
 * to a tenant that has no rows. Onboarding ten thousand would take an hour and measure the same.
 */
async function addTenants(world: World, tenants: number): Promise<string> {
  const prefix = `known-${tenants}-`;
  const model = tenantIds.row[0]!;
  await withAdmin(world.catalogUrl, async (admin) => {
    const numbers = `(select '${prefix}' || n as copy from generate_series(1, ${tenants}) n) numbers`;
    for (const [table, key] of [
      ['tenants', 'id'],
      ['placements', 'tenant_id'],
      ['data_keys', 'tenant_id'],
    ] as const) {
      const columns = await admin<{ name: string }[]>`
        select quote_ident(attname) as name from pg_attribute where attrelid = ${`tenancy.${table}`}::regclass and attnum > 0 and not attisdropped`;
      const names = columns.map(({ name }) => name);
      // Their configurations differ as real ones do, in the name that each holds.
      const values = names.map((name) => (name === key || name === 'name' ? 'copy' : name));
      await admin.unsafe(
        `insert into tenancy.${table} (${names.join(', ')}) select ${values.join(', ')} from tenancy.${table}, ${numbers} where ${key} = '${model}'`,
      );
    }
    await admin.unsafe('analyze');
  });
  return prefix;
}
