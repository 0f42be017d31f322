import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { median } from '../statistics.ts';

/** What the key ring holds, in bytes: how much the process grew by, after collections. */
export interface KeyMemory {
  readonly tenants: number;
  /** Keys fetched and not used. */
  readonly loaded: MemoryGrowth;
  /** After one value and one tag of each tenant: ciphers with their key schedules, and keys of an index, stay too. */
  readonly used: MemoryGrowth;
}

/** Against before anything was fetched. */
export interface MemoryGrowth {
  readonly heapBytes: number;
  /** With what is outside JavaScript's heap, and what the fetches left behind. It grows in steps: read it as an upper bound. */
  readonly rssBytes: number;
}

/**
 * Medians over processes that do nothing else: in one that has done other work, resident memory hides in what is free already.
 *
 * @throws the signal's reason once it is aborted
 */
export async function measureKeyMemory(tenants: number, processes: number, signal: AbortSignal): Promise<KeyMemory> {
  const found: KeyMemory[] = [];
  for (let index = 0; index < processes; index++) {
    signal.throwIfAborted();
    const file = fileURLToPath(new URL('./key-memory-process.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, file, String(tenants)], { signal });
    found.push(JSON.parse(stdout) as KeyMemory);
  }
  const growth = (of: (memory: KeyMemory) => MemoryGrowth): MemoryGrowth => ({
    heapBytes: median(found.map((memory) => of(memory).heapBytes)),
    rssBytes: median(found.map((memory) => of(memory).rssBytes)),
  });
  return { tenants, loaded: growth(({ loaded }) => loaded), used: growth(({ used }) => used) };
}
