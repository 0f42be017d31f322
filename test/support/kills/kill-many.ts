import type { Sql } from 'postgres';
import { Seeded } from '../seeded.ts';
import { startTcpProxy } from '../tcp-proxy.ts';
import { within } from '../within.ts';
import { Journal, type JournalRow, type KillViolation } from './journal.ts';
import { killOnce, Points, recovered, type Site } from './kill.ts';
import type { KillPlace, KillSubject } from './subject.ts';
import { measureTraffic } from './traffic.ts';

export interface KillOptions {
  /** A superuser's connection to the server behind the proxies. */
  readonly admin: Sql;
  readonly server: { readonly host: string; readonly port: number };
  /** Application names begin with it. */
  readonly label: string;
  /** Three who share lanes. */
  readonly tenants: readonly [string, string, string];
  readonly seed: number;
  readonly kills: number;
  /** How many subjects, each behind a proxy of its own, work at a time. */
  readonly sites: number;
  /** Opens the subject under test, which connects to that place alone. */
  readonly open: (place: KillPlace, journal: Journal) => Promise<KillSubject>;
  /** All rows that are there in the end. */
  readonly rows: () => Promise<readonly JournalRow[]>;
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
  const { admin, tenants } = options;
  const seeded = new Seeded(options.seed);
  const journal = new Journal();
  const points = new Points();
  let begun = 0;
  let connections = 0;
  const stop = (): boolean =>
    begun >= options.kills || journal.violations.some((violation) => violation.kind === 'hung' || options.until?.(violation) === true);

  /** Works on one subject until all is done or it hangs; says so by an entry in the journal. */
  const site = async (index: number): Promise<void> => {
    await using proxy = await startTcpProxy(options.server);
    const applicationName = `${options.label}-${index}`;
    const open = async (maxLanes: number): Promise<KillSubject> =>
      await options.open({ port: proxy.port, applicationName, maxLanes }, journal);
    const subject = await open(1 + (index % 2));
    const place: Site = { admin, proxy, subject, journal, applicationName, tenants };
    const bounded = async (what: string, work: Promise<unknown>): Promise<boolean> => {
      const settled = (await within(work.then(() => true))) ?? false;
      if (!settled) journal.note('hung', what);
      return settled;
    };
    const traffic = await measureTraffic(proxy, tenants[0], Object.keys(subject.operations), async () => await open(1));
    let alive = true;
    while (alive && !stop()) {
      const run = begun++;
      const chosen = traffic[run % traffic.length]!;
      alive = await bounded(`kill ${run} (${chosen.name}, ${chosen.lane})`, killOnce(place, chosen, points, seeded.fork(run)));
    }
    if (alive) await bounded('the last recovery', recovered(place, tenants[0]));
    if (alive) await bounded('closing', subject.close());
    connections += proxy.accepted;
  };
  await Promise.all(Array.from({ length: options.sites }, (_, index) => site(index)));
  journal.compare(await options.rows());
  return { journal, points, kills: begun, connections };
}
