import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { interleave, stepNames } from '../support/interleaving/interleave.ts';
import {
  auditTables,
  createNotesPlatform,
  lanesPerDatabase,
  type NotesPlatform,
  tenantIds,
  tiers,
} from '../support/interleaving/platform.ts';
import { throughEveryLane } from '../support/interleaving/quiet.ts';
import * as schema from '../support/interleaving/schema.ts';
import { laneKinds } from '../support/lane-kinds.ts';
import { sessionSettings, sharedTokens } from '../support/leaky-pools.ts';
import { fuzzRuns, fuzzSeed, fuzzTimeoutMs } from '../support/seeded.ts';
import { adminClient } from '../support/server.ts';
import { wireTenancy } from '../support/wired-tenancy.ts';
import { within } from '../support/within.ts';

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

  const runs = fuzzRuns(10_000 * kind.share);
  test(`see their own rows only (TENANCY_FUZZ_SEED=${fuzzSeed})`, { timeout: fuzzTimeoutMs(runs) }, async () => {
    const report = await within(
      interleave({ face: platform.tenancy, tenants: tenantIds, seed: fuzzSeed, runs, inFlight: 12 }),
      fuzzTimeoutMs(runs) - 60_000,
    );
    if (report === undefined) throw new Error('Some interleaving hangs.');
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
    expect(await within(platform.tenancy.close().then(() => 'closed'))).toBe('closed');
    expect(loose).toEqual([]);
  });

  // Last, since they leave others' rows in the tables.
  test.each([
    { what: 'a shared pool with session settings', openPool: sessionSettings },
    { what: 'a cache of contexts without the tenant in its key', openPool: sharedTokens(kind) },
  ])('control: $what lets another tenant’s rows through, and the same programs see it', { timeout: 120_000 }, async ({ openPool }) => {
    await using leaky = await wireTenancy(platform, { schema, tiers, openPool });
    const report = await within(
      interleave({
        face: leaky,
        tenants: tenantIds,
        seed: fuzzSeed,
        runs: 200,
        inFlight: 12,
        until: ({ kind: seen }) => seen === 'foreign',
      }),
      100_000,
    );
    expect(report?.book.violations.filter(({ kind: seen }) => seen === 'foreign')).not.toEqual([]);
  });
});
