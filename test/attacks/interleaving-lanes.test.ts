import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClusterCap } from '../../src/connection/cluster-cap.ts';
import { PostgresLanePool } from '../../src/connection/postgres-lane-pool.ts';
import { AbortedError, QueryFailedError } from '../../src/errors.ts';
import { contextOf, createLaneDatabase, type LaneDatabase, rawContextOf, selectNames, statementOf } from '../support/lane-database.ts';
import { laneKinds } from '../support/lane-kinds.ts';
import { fuzzRuns, fuzzSeed, fuzzTimeoutMs, Seeded } from '../support/seeded.ts';

/** What the public face has no signal for yet: units and transactions that are aborted while they wait, run and commit. */
describe.each(laneKinds)('interleaved and aborted units on $name lanes', (kind) => {
  let database: LaneDatabase;
  const tenants = ['a', 'b', 'c', 'd', 'e', 'f'];
  beforeAll(async () => {
    database = await createLaneDatabase();
    for (const tenantId of tenants)
      await database.admin`insert into app.products (tenant_id, name) values (${tenantId}, ${`of ${tenantId}`})`;
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  test('control: a setting and a statement that are not one unit see another tenant’s rows', async () => {
    const sql = postgres(database.url, { max: 1, fetch_types: false });
    const seen = await Promise.all(
      ['a', 'b'].map(async (tenantId) => {
        await sql`select set_config('tenancy.context', ${tenantId}, false)`;
        return (await sql<{ name: string }[]>`select name from app.products`).map((row) => row.name);
      }),
    );
    await sql.end();
    expect(seen).not.toEqual([['of a'], ['of b']]);
  });

  const runs = fuzzRuns(5_000 * kind.share);
  test(`see their own rows only, and leave no lane stuck (TENANCY_FUZZ_SEED=${fuzzSeed})`, { timeout: fuzzTimeoutMs(runs) }, async () => {
    await using pool = new PostgresLanePool({
      clusterId: 'c',
      database: database.name,
      cap: new ClusterCap(),
      clusterMaxLanes: 4,
      maxLanes: 4,
      acquireTimeoutMs: 60_000,
      open: async (signal) => await kind.open(database.laneOptions({ signal })),
    });
    const seeded = new Seeded(fuzzSeed);
    const wrong: unknown[] = [];
    let begun = 0;
    let aborted = 0;
    const check = (tenantId: string, rows: readonly unknown[]): void => {
      if (JSON.stringify(rows) !== JSON.stringify([[`of ${tenantId}`]])) wrong.push([tenantId, rows]);
    };
    const expectFailure = async (
      tenantId: string,
      work: Promise<unknown>,
      ...kinds: readonly (typeof AbortedError | typeof QueryFailedError)[]
    ) => {
      const error = await work.then(() => undefined).catch((thrown: unknown) => thrown);
      if (error !== undefined && !kinds.some((class_) => error instanceof class_)) wrong.push([tenantId, String(error)]);
      if (error instanceof AbortedError) aborted++;
    };
    const one = async (random: Seeded): Promise<void> => {
      const tenantId = random.pick(tenants);
      const context = contextOf(tenantId, { priority: random.below(3) });
      const signal = random.chance(0.1) ? AbortSignal.abort() : AbortSignal.timeout(random.below(6));
      switch (random.below(10)) {
        case 0:
          await expectFailure(tenantId, pool.run({ context, statement: statementOf('select 1 / $1::int', [0]) }), QueryFailedError);
          return;
        case 1:
          await expectFailure(tenantId, pool.run({ context, statement: statementOf('select pg_sleep(0.01)') }, signal), AbortedError);
          return;
        case 2:
          await expectFailure(
            tenantId,
            pool.run({ context, statement: selectNames }, signal).then(({ rows }) => check(tenantId, rows)),
            AbortedError,
          );
          return;
        case 3:
          await expectFailure(
            tenantId,
            pool.transaction(context, { signal }, async (transaction) => {
              for (let left = random.below(4); left > 0; left--) {
                check(tenantId, (await transaction.execute(selectNames)).rows);
                await transaction.savepoint(async () => await transaction.execute(statementOf('select pg_sleep(0.002)')));
              }
            }),
            AbortedError,
          );
          return;
        case 4: {
          const statement = statementOf('select name from products', [], { prepare: false });
          check(tenantId, (await pool.run({ context: rawContextOf(tenantId), statement })).rows);
          return;
        }
        case 5:
          await pool.transaction(context, {}, async (transaction) => {
            check(tenantId, (await transaction.execute(selectNames)).rows);
            await new Promise((resolve) => {
              setImmediate(resolve);
            });
            check(tenantId, (await transaction.execute(selectNames)).rows);
          });
          return;
        default:
          check(tenantId, (await pool.run({ context, statement: selectNames })).rows);
      }
    };
    await Promise.all(
      Array.from({ length: 24 }, async () => {
        while (begun < runs) await one(seeded.fork(begun++));
      }),
    );
    expect(wrong).toEqual([]);
    expect(aborted).toBeGreaterThan(runs / 50);
    expect(pool.queued).toBe(0);
    expect(pool.size).toBeLessThanOrEqual(4);

    // Every lane serves on, for every tenant: four transactions at a time can't share one.
    for (const tenantId of tenants) {
      let arrived = 0;
      let open = (): void => {};
      const all = new Promise<void>((resolve) => {
        open = resolve;
      });
      await Promise.all(
        Array.from({ length: 4 }, () =>
          pool.transaction(contextOf(tenantId), {}, async (transaction) => {
            check(tenantId, (await transaction.execute(selectNames)).rows);
            if (++arrived === 4) open();
            await all;
          }),
        ),
      );
    }
    expect(wrong).toEqual([]);
    expect(pool.size).toBe(4);
  });
});
