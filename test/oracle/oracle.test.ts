import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Isolation } from '../../src/tenant/tier.ts';
import { fuzz, fuzzSeed } from './fuzz.ts';
import { Oracle } from './oracle.ts';
import { type OracleWorld, oracleWorld, tenantsOf } from './world.ts';

/** Queries for each isolation. */
const runs = Number(process.env['TENANCY_FUZZ_RUNS'] ?? 1_700);

let world: OracleWorld;
beforeAll(async () => {
  console.info(`TENANCY_FUZZ_SEED=${fuzzSeed}`);
  world = await oracleWorld();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

describe('any query answers and does what stock drizzle answers and does over the tenant’s rows alone', () => {
  for (const isolation of ['row', 'schema', 'database'] as const satisfies readonly Isolation[]) {
    test(isolation, { timeout: 60_000 + runs * 60 }, async () => {
      const oracle = new Oracle(world, world.platform.tenancy, tenantsOf[isolation], { views: world.views, raw: true });
      await fuzz(oracle, runs);
      console.info(isolation, oracle.compared, oracle.answered, [...oracle.tally].sort());
      expect(oracle.answered).toBeGreaterThan(oracle.compared / 2);
    });
  }
});
