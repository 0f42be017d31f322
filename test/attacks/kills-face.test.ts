import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { LanePool } from '../../src/connection/lane-pool.ts';
import { openPostgresPool } from '../../src/routing/open-postgres-pool.ts';
import { mixing, resending } from '../support/kills/broken-pools.ts';
import {
  clearEntries,
  createEntriesPlatform,
  type EntriesPlatform,
  entriesRows,
  entriesTenants,
  openFace,
} from '../support/kills/face-platform.ts';
import { type KillOptions, type KillReport, killMany } from '../support/kills/kill-many.ts';
import { laneKinds } from '../support/lane-kinds.ts';
import { eventually } from '../support/processes.ts';
import { fuzzRuns, fuzzSeed, fuzzTimeoutMs } from '../support/seeded.ts';
import { adminClient, adminUrl } from '../support/server.ts';

/** The same kills as in kills.test.ts under everything that a service is given: scopes, builders, transactions, savepoints, cursors, COPY. */
describe.each(laneKinds)('killed connections under a service on $name lanes', (kind) => {
  let platform: EntriesPlatform;
  let admin: ReturnType<typeof adminClient>;
  const loose: unknown[] = [];
  const noteLoose = (reason: unknown): void => {
    loose.push(reason);
  };
  beforeAll(async () => {
    process.on('unhandledRejection', noteLoose);
    admin = adminClient();
    platform = await createEntriesPlatform();
  });
  beforeEach(async () => await clearEntries(platform));
  afterAll(async () => {
    process.off('unhandledRejection', noteLoose);
    await platform?.close();
    await admin?.end();
  });

  const kill = async (
    options: Pick<KillOptions, 'kills' | 'sites' | 'until'>,
    broken: { readonly pool?: (pool: LanePool) => LanePool; readonly maxLanes?: number } = {},
  ): Promise<KillReport> => {
    const { hostname, port } = new URL(adminUrl());
    return await killMany({
      ...options,
      admin,
      server: { host: hostname, port: Number(port || 5432) },
      label: platform.rolePrefix,
      tenants: entriesTenants,
      seed: fuzzSeed,
      open: async ({ port: through, applicationName, maxLanes }, journal) => {
        const open = openPostgresPool({
          ...kind.lanes,
          maxPerDatabase: broken.maxLanes ?? maxLanes,
          acquireTimeoutMs: 20_000,
          applicationName,
        });
        return await openFace(
          platform,
          { port: through, openPool: (request) => (broken.pool ?? ((pool) => pool))(open(request)) },
          journal,
        );
      },
      rows: async () => await entriesRows(platform),
    });
  };

  const kills = fuzzRuns(Math.max(300 * kind.share, 100));
  test(`nothing acknowledged is lost, nothing refused is kept, nothing is another’s (TENANCY_FUZZ_SEED=${fuzzSeed})`, {
    timeout: fuzzTimeoutMs(kills),
  }, async () => {
    const { journal, points, ...report } = await kill({ kills, sites: 8 });
    expect(journal.violations).toEqual([]);
    expect(report.kills).toBe(kills);
    // Work went on between the kills, and they were as many as they were meant to be.
    expect(journal.count('acknowledged')).toBeGreaterThan(kills);
    expect(journal.count('refused')).toBeGreaterThan(kills / 10);
    expect(journal.count('doubtful')).toBeGreaterThan(0);
    expect(report.connections).toBeGreaterThan(kills / 2);
    expect(points.ways.size).toBe(6);
    expect(points.seen.size).toBeGreaterThan(kills / 4);
    await eventually(async () => {
      expect(await admin`select 1 from pg_stat_activity where application_name like ${`${platform.rolePrefix}-%`}`).toEqual([]);
    });
    // Nor did anything stray as far as a defence behind the lanes. Callbacks that go on after their scope are refused as their own tenant.
    const strayed = await Promise.all(
      (['query.policy', 'scope.wrong-tenant', 'scope.none'] as const).map((action) => platform.control.auditEntries({ action })),
    );
    expect(
      strayed.flat().filter(({ action, tenantId, targetTenantId }) => action === 'query.policy' || tenantId !== targetTenantId),
    ).toEqual([]);
    expect(loose).toEqual([]);
  });

  // The checker is the same for all lanes: what it sees is shown on one kind of them.
  if (kind.share < 1) return;

  test('control: a callback that goes on in the next transaction is seen by the same kills', { timeout: 120_000 }, async () => {
    const { journal } = await kill({ kills: 300, sites: 4, until: ({ kind: seen }) => seen === 'foreign' }, { pool: mixing, maxLanes: 1 });
    expect(journal.violations.filter(({ kind: seen }) => seen === 'foreign')).not.toEqual([]);
  });

  test('control: a retry of what may have been kept writes twice, and the same kills see it', { timeout: 120_000 }, async () => {
    const { journal } = await kill({ kills: 100, sites: 4 }, { pool: resending });
    expect(journal.violations.filter(({ kind: seen }) => seen === 'twice')).not.toEqual([]);
  });
});
