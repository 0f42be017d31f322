import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Isolation } from '../../src/tenant/tier.ts';
import type { QueryWish } from './describe-query.ts';
import { written } from './description.ts';
import { fuzz, fuzzSeed } from './fuzz.ts';
import { Difference, Oracle, type Subject } from './oracle.ts';
import { PredicateFreeDialect } from './predicate-free-dialect.ts';
import { type Weakness, weakened } from './weakened.ts';
import { type OracleWorld, oracleWorld, tenantsOf } from './world.ts';

/** Queries for each isolation. */
const runs = Number(process.env['TENANCY_FUZZ_RUNS'] ?? 1_700);
const timeout = 300_000 + runs * 100;

let world: OracleWorld;
beforeAll(async () => {
  console.info(`TENANCY_FUZZ_SEED=${fuzzSeed}`);
  world = await oracleWorld();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const oracleOf = (isolation: Isolation, subject: Subject, wish?: QueryWish): Oracle =>
  new Oracle(world, subject, tenantsOf[isolation], wish ?? { views: world.views, raw: true });

async function switchPolicies(tenant: string, to: 'enable' | 'disable'): Promise<void> {
  for (const table of written)
    await world.admin(tenant).unsafe(`alter table "${world.schemaOf(tenant)}".${table} ${to} row level security`);
}

/** Runs with a tenant's policies off: where tenants share a schema, everybody's. */
async function withoutPolicies(tenant: string, callback: () => Promise<void>): Promise<void> {
  await switchPolicies(tenant, 'disable');
  try {
    await callback();
  } finally {
    await switchPolicies(tenant, 'enable');
  }
}

describe('every query answers and does what stock drizzle answers and does over the tenant’s rows alone', () => {
  for (const [offset, isolation] of (['row', 'schema', 'database'] as const).entries()) {
    test(isolation, { timeout }, async () => {
      const oracle = oracleOf(isolation, world.platform.tenancy);
      await fuzz(oracle, runs, { offset });
      console.info(`${isolation}: ${oracle.compared} queries compared, ${oracle.answered} of them answered`);
      // Queries that fail alike on both sides prove little.
      expect(oracle.answered).toBeGreaterThan(oracle.compared * 0.7);
    });
  }
});

describe('in `row` each layer holds alone', () => {
  test('row-level security, with the dialect’s predicates made ineffective', { timeout }, async () => {
    await using subject = await weakened(world, { dialect: new PredicateFreeDialect() });
    await fuzz(oracleOf('row', subject), Math.ceil(runs / 5), { offset: 3 });
  });

  test('the dialect, with row-level security switched off; raw SQL and views have nothing else', { timeout }, async () => {
    await withoutPolicies(tenantsOf.row[0]!, async () => {
      await fuzz(oracleOf('row', world.platform.tenancy, { views: false, raw: false }), Math.ceil(runs / 5), { offset: 4 });
    });
  });
});

describe('what is broken on purpose is found within 200 queries', () => {
  async function find(isolation: Isolation, weakness: Weakness): Promise<void> {
    await using subject = await weakened(world, weakness);
    const oracle = oracleOf(isolation, subject);
    const found = await fuzz(oracle, 200, { shrink: false }).catch((error: unknown) => error);
    expect(found).toBeInstanceOf(Difference);
    console.info(`${isolation}: found after ${oracle.compared} queries`);
  }

  test('row: no predicates and no row-level security', { timeout }, async () => {
    await withoutPolicies(tenantsOf.row[0]!, async () => await find('row', { dialect: new PredicateFreeDialect() }));
  });

  test('schema: statements name another tenant’s schema', { timeout }, async () => {
    const [, other] = tenantsOf.schema;
    // The other's policies would refuse aloud; here the comparison has to see it.
    await withoutPolicies(other!, async () => {
      await find('schema', {
        dialect: new PredicateFreeDialect(),
        reroute: async (own, routeOf) => {
          const { placement, rawContext } = await routeOf(other!);
          return {
            ...own,
            placement: { ...own.placement, schema: placement.schema },
            rawContext: { ...own.rawContext, searchPath: rawContext.searchPath },
          };
        },
      });
    });
  });

  test('database: statements go to another tenant’s database', { timeout }, async () => {
    await find('database', {
      reroute: async (own, routeOf) => ({ ...own, pool: (await routeOf(tenantsOf.database[1]!)).pool }),
    });
  });
});
