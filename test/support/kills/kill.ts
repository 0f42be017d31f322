import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from 'postgres';
import { TenancyError } from '../../../src/errors.ts';
import type { Seeded } from '../seeded.ts';
import type { Direction, TcpProxy } from '../tcp-proxy.ts';
import type { Journal } from './journal.ts';
import type { KillSubject } from './subject.ts';
import type { Traffic } from './traffic.ts';

/** One subject behind a proxy of its own, with what is needed to kill its connections. */
export interface Site {
  readonly admin: Sql;
  readonly proxy: TcpProxy;
  readonly subject: KillSubject;
  readonly journal: Journal;
  readonly applicationName: string;
  readonly tenants: readonly string[];
}

const ways = ['fin', 'rst', 'half-open', 'terminate', 'idle', 'terminate at random'] as const;

/** How connections were killed, and at how many different points. */
export class Points {
  readonly ways = new Map<string, number>();
  readonly seen = new Set<string>();
  #boundary = 0;

  /** A place in an operation's traffic: every message's end in turn, and bytes inside messages by chance. */
  choose({ name, lane, ends }: Traffic, random: Seeded): readonly [direction: Direction, bytes: number] {
    const direction = random.pick(['up', 'down'] as const);
    const places = ends[direction];
    const bytes = random.chance(0.6) ? places[this.#boundary++ % places.length]! : random.below(places.at(-1)! + 1);
    this.seen.add(`${name}/${lane}/${direction}/${bytes}`);
    return [direction, bytes];
  }

  count(way: string): void {
    this.ways.set(way, (this.ways.get(way) ?? 0) + 1);
  }
}

/**
 * Lets one tenant work, others queue behind it, and ends the connection at one point of it; settles when everybody has. Then work must
 * succeed again.
 */
export async function killOnce(site: Site, traffic: Traffic, points: Points, random: Seeded): Promise<void> {
  const { proxy, subject, journal } = site;
  const operation = subject.operations[traffic.name]!;
  const [tenantId, neighbour, reader] = shuffled(site.tenants, random) as [string, string, string];
  // What the last kill left behind, such as a dead lane that nobody has noticed, may cost an attempt or two and no more.
  await recovered(site, tenantId);
  if (traffic.lane === 'warm') await operation(tenantId);
  if (traffic.lane === 'closed') proxy.cut();
  const way = random.pick(ways);
  points.count(way);
  const [direction, bytes] = points.choose(traffic, random);
  let settled = (): void => {};
  const work = new Promise<void>((resolve) => {
    settled = resolve;
  });
  const killing = kill(site, way, direction, bytes, work, random);
  const neighbours = random.pick(Object.values(subject.operations));
  await Promise.all([
    operation(tenantId).finally(settled),
    random.chance(0.7) ? neighbours(neighbour) : undefined,
    random.chance(0.5) ? subject.read(reader).catch((error: unknown) => journal.met(reader, error)) : undefined,
    random.chance(0.3) ? subject.operations.unit(neighbour) : undefined,
  ]);
  await killing;
}

/** @throws when three kills' worth of attempts all failed */
export async function recovered({ subject }: Site, tenantId: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await subject.read(tenantId);
      return;
    } catch (error) {
      typed(error);
      if (attempt === 6) throw error;
    }
  }
}

async function kill(
  { proxy, admin, applicationName }: Site,
  way: (typeof ways)[number],
  direction: Direction,
  bytes: number,
  work: Promise<void>,
  random: Seeded,
): Promise<void> {
  const terminate = async (): Promise<void> => {
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${applicationName}`;
  };
  switch (way) {
    case 'idle':
      // Before the first byte leaves, and before anybody could notice.
      proxy.cut(undefined, random.pick(['fin', 'rst']));
      return;
    case 'terminate at random':
      await sleep(random.below(4));
      await terminate();
      return;
    case 'fin':
    case 'rst':
      await Promise.race([proxy.cutAfter(direction, bytes, way), work]);
      break;
    case 'half-open':
    case 'terminate':
      await Promise.race([proxy.cutAfter(direction, bytes, 'stall'), work]);
      if (way === 'terminate') await terminate();
      else await sleep(random.below(3));
      if (way === 'terminate' && random.chance(0.5)) proxy.resume();
  }
  // Whatever the point was, no connection outlives it.
  proxy.cut(undefined, random.pick(['fin', 'rst']));
}

/** Errors of the library are for callers to handle; others are not. */
function typed(error: unknown): void {
  if (!(error instanceof TenancyError)) throw error as Error;
}

function shuffled<T>(list: readonly T[], random: Seeded): readonly T[] {
  return list
    .map((value) => [random.next(), value] as const)
    .sort(([a], [b]) => a - b)
    .map(([, value]) => value);
}
