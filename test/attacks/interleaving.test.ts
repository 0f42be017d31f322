import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { auditTables, createNotesPlatform, lanesPerDatabase, type NotesPlatform, tenantIds } from '../support/interleaving/platform.ts';
import { interleave, stepNames } from '../support/interleaving/interleave.ts';
import { throughEveryLane, within } from '../support/interleaving/quiet.ts';
import { laneKinds } from '../support/lane-kinds.ts';
import { adminClient } from '../support/server.ts';
import { fuzzRuns, fuzzSeed } from '../support/seeded.ts';

/** Twenty tenants of all isolations at once, through everything that a service is given, on four lanes to each database. */
describe.each(laneKinds)('interleaved tenants on $name lanes', (kind) => {
  let platform: NotesPlatform;
  const loose: unknown[] = [];
  const noteLoose = (reason: unknown): void => {
    loose.push(reason);
  };
  beforeAll(async () => {
    process.on('unhandledRejection', noteLoose);
    platform = await createNotesPlatform(kind);
  });
  afterAll(async () => {
    process.off('unhandledRejection', noteLoose);
    await platform?.close();
  });

  test(`see their own rows only (TENANCY_FUZZ_SEED=${fuzzSeed})`, { timeout: 600_000 }, async () => {
    const runs = fuzzRuns(10_000);
    const report = await within(
      interleave({ face: platform.tenancy, tenants: tenantIds, seed: fuzzSeed, runs, inFlight: 12 }),
      'The interleavings',
      500_000,
    );
    await auditTables(platform, report.book);
    expect(report.book.violations).toEqual([]);
    expect(report.runs).toBe(runs);
    // It was no queue of one at a time, and nothing was left out.
    expect(report.together).toBeGreaterThan(10);
    expect([...report.book.steps.keys()].sort()).toEqual([...stepNames].sort());
  });

  test('leave every lane free for every tenant, and nothing running', async () => {
    for (const tenantId of tenantIds) {
      expect(await throughEveryLane(platform.tenancy, tenantId)).toEqual({
        pids: lanesPerDatabase,
        markers: Array(5 * lanesPerDatabase).fill(tenantId),
      });
    }
    const admin = adminClient();
    const left = await admin`
      select datname, state from pg_stat_activity where datname like ${`${platform.rolePrefix}%`} and application_name = 'tenancy'
      and (state <> 'idle' or xact_start is not null)`;
    await admin.end();
    expect(left).toEqual([]);
    await within(platform.tenancy.close(), 'Closing');
    expect(loose).toEqual([]);
  });
});
