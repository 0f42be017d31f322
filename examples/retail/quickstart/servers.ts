import { type EmbeddedCluster, startEmbeddedCluster } from '@godseye/tenancy/testing';

export const regions = Object.freeze(['eu-west-1', 'us-east-1'] as const);

export type Region = (typeof regions)[number];

/** One PostgreSQL server per region, started at once. Their folders hold everything that this run writes. */
export class Servers {
  readonly #starting: ReadonlyMap<Region, Promise<EmbeddedCluster>>;

  constructor(signal: AbortSignal) {
    this.#starting = new Map(regions.map((region) => [region, startEmbeddedCluster({ signal })]));
    // Whoever waits for them learns of a failure; until then it is nobody's.
    for (const start of this.#starting.values()) start.catch(() => {});
  }

  async ready(): Promise<ReadonlyMap<Region, EmbeddedCluster>> {
    const servers = new Map<Region, EmbeddedCluster>();
    for (const [region, start] of this.#starting) servers.set(region, await start);
    return servers;
  }

  /** Stops them and removes their folders, also those that are still starting once their signal is aborted. */
  async close(): Promise<void> {
    const starts = await Promise.allSettled(this.#starting.values());
    await Promise.all(starts.map(async (start) => (start.status === 'fulfilled' ? await start.value.close() : undefined)));
  }
}
