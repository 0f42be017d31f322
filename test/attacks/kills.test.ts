import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ClusterCap } from '../../src/connection/cluster-cap.ts';
import type { LanePool } from '../../src/connection/lane-pool.ts';
import { PostgresLanePool } from '../../src/connection/postgres-lane-pool.ts';
import { mixing, resending } from '../support/kills/broken-pools.ts';
import { clearJournal, createJournalDatabase, journalRows } from '../support/kills/journal-database.ts';
import { type KillOptions, killMany } from '../support/kills/kill-many.ts';
import { laneSubject } from '../support/kills/lane-subject.ts';
import type { KillPlace } from '../support/kills/subject.ts';
import type { LaneDatabase } from '../support/lane-database.ts';
import { laneKinds } from '../support/lane-kinds.ts';
import { eventually } from '../support/processes.ts';
import { fuzzRuns, fuzzSeed, fuzzTimeoutMs } from '../support/seeded.ts';

/** Connections are cut on the wire and at the server, at every point of a unit and of a transaction, while tenants work and wait. */
describe.each(laneKinds)('killed connections under $name lanes', (kind) => {
  let database: LaneDatabase;
  const loose: unknown[] = [];
  const noteLoose = (reason: unknown): void => {
    loose.push(reason);
  };
  beforeAll(async () => {
    process.on('unhandledRejection', noteLoose);
    database = await createJournalDatabase();
  });
  beforeEach(async () => await clearJournal(database));
  afterAll(async () => {
    process.off('unhandledRejection', noteLoose);
    await database?.[Symbol.asyncDispose]();
  });

  const openPool = ({ port, applicationName, maxLanes }: KillPlace): LanePool =>
    new PostgresLanePool({
      cap: new ClusterCap(),
      clusterId: 'c',
      clusterMaxLanes: maxLanes,
      maxLanes,
      database: database.name,
      acquireTimeoutMs: 20_000,
      open: async (signal) => await kind.open(database.laneOptions({ host: '127.0.0.1', port, applicationName, signal })),
    });
  const options = (pool: (place: KillPlace) => LanePool = openPool) => {
    const { host, port } = database.laneOptions();
    return {
      admin: database.admin,
      server: { host, port },
      label: database.name,
      tenants: ['a', 'b', 'c'],
      seed: fuzzSeed,
      open: async (place, journal) => laneSubject(pool(place), journal),
      rows: async () => await journalRows(database),
    } satisfies Partial<KillOptions>;
  };
  const backends = async (): Promise<number> => {
    const [row] = await database.admin<{ n: number }[]>`
      select count(*)::int as n from pg_stat_activity where application_name like ${`${database.name}-%`}`;
    return row!.n;
  };

  const kills = fuzzRuns(2_000 * kind.share);
  test(`nothing acknowledged is lost, nothing refused is kept, nothing is another’s (TENANCY_FUZZ_SEED=${fuzzSeed})`, {
    timeout: fuzzTimeoutMs(kills),
  }, async () => {
    const { journal, points, ...report } = await killMany({ ...options(), kills, sites: 12 });
    expect(journal.violations).toEqual([]);
    expect(report.kills).toBe(kills);
    // Work went on between the kills, and they were as many as they were meant to be.
    expect(journal.count('acknowledged')).toBeGreaterThan(kills);
    expect(journal.count('refused')).toBeGreaterThan(kills / 10);
    expect(journal.count('doubtful')).toBeGreaterThan(kills / 100);
    expect(report.connections).toBeGreaterThan(kills / 2);
    expect(points.ways.size).toBe(6);
    expect(points.seen.size).toBeGreaterThan(kills / 4);
    await eventually(async () => expect(await backends()).toBe(0));
    expect(loose).toEqual([]);
  });

  // The checker is the same for all lanes: what it sees is shown on one kind of them.
  if (kind.share < 1) return;

  test('control: a callback that goes on in the next transaction is seen by the same kills', { timeout: 120_000 }, async () => {
    const { journal } = await killMany({
      ...options((place) => mixing(openPool({ ...place, maxLanes: 1 }))),
      kills: 300,
      sites: 4,
      until: ({ kind: seen }) => seen === 'foreign',
    });
    expect(journal.violations.filter(({ kind: seen }) => seen === 'foreign')).not.toEqual([]);
  });

  test('control: a retry of what may have been kept writes twice, and the same kills see it', { timeout: 120_000 }, async () => {
    const { journal } = await killMany({
      ...options((place) => resending(openPool(place))),
      kills: 200,
      sites: 4,
    });
    expect(journal.violations.filter(({ kind: seen }) => seen === 'twice')).not.toEqual([]);
  });
});
