import type { LanePool } from '../../../src/connection/lane-pool.ts';
import type { LaneDatabase } from '../lane-database.ts';
import { Seeded } from '../seeded.ts';
import { startTcpProxy } from '../tcp-proxy.ts';
import { within } from '../within.ts';
import { Journal, type KillViolation } from './journal.ts';
import { killOnce, Points, recovered, type Site } from './kill.ts';
import { measureTraffic } from './traffic.ts';

export interface KillOptions {
  readonly database: LaneDatabase;
  readonly seed: number;
  readonly kills: number;
  /** How many pools, each behind a proxy of its own, work at a time. */
  readonly sites: number;
  /** Opens the pool under test through a proxy. */
  readonly openPool: (place: { readonly port: number; readonly applicationName: string; readonly maxLanes: number }) => LanePool;
  /** Ends the whole once this has been seen. */
  readonly until?: ((violation: KillViolation) => boolean) | undefined;
}

export interface KillReport {
  readonly journal: Journal;
  readonly points: Points;
  readonly kills: number;
  /** Connections that were made, over all proxies. */
  readonly connections: number;
}

/** Kills connections at every point of every operation, and compares what is there with what was acknowledged. */
export async function killMany(options: KillOptions): Promise<KillReport> {
  const { database, openPool } = options;
  const { host, port } = database.laneOptions();
  const seeded = new Seeded(options.seed);
  const journal = new Journal();
  const points = new Points();
  let begun = 0;
  let connections = 0;
  const stop = (): boolean =>
    begun >= options.kills || journal.violations.some((violation) => violation.kind === 'hung' || options.until?.(violation) === true);

  /** Works on one pool until all is done or it hangs; says so by an entry in the journal. */
  const site = async (index: number): Promise<void> => {
    await using proxy = await startTcpProxy({ host, port });
    const applicationName = `${database.name}-${index}`;
    const pool = openPool({ port: proxy.port, applicationName, maxLanes: 1 + (index % 2) });
    const place: Site = { database, proxy, pool, journal, applicationName };
    const bounded = async (what: string, work: Promise<unknown>): Promise<boolean> => {
      const settled = (await within(work.then(() => true))) ?? false;
      if (!settled) journal.note('hung', what);
      return settled;
    };
    const traffic = await measureTraffic(proxy, journal, () => openPool({ port: proxy.port, applicationName, maxLanes: 1 }));
    let alive = true;
    while (alive && !stop()) {
      const run = begun++;
      const chosen = traffic[run % traffic.length]!;
      alive = await bounded(`kill ${run} (${chosen.name}, ${chosen.lane})`, killOnce(place, chosen, points, seeded.fork(run)));
    }
    if (alive) await bounded('the last recovery', recovered(place, 'a'));
    if (alive) await bounded('closing a pool', pool.close());
    connections += proxy.accepted;
  };
  await Promise.all(Array.from({ length: options.sites }, (_, index) => site(index)));
  await journal.compare(database);
  return { journal, points, kills: begun, connections };
}
