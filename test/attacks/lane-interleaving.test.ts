import { randomInt } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClusterCap } from '../../src/connection/cluster-cap.ts';
import { openPostgresLane } from '../../src/connection/postgres-lane.ts';
import { PostgresLanePool } from '../../src/connection/postgres-lane-pool.ts';
import {
  contextOf,
  createLaneDatabase,
  type LaneDatabase,
  rawContextOf,
  selectNames,
  statementOf,
  wires,
} from '../support/lane-database.ts';

/** Many tenants' units interleaved at random on one event loop and few lanes. */
describe.each(wires)('interleaved tenants (%s wire)', (wire) => {
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

  test('see their own rows only, 5,000 times, whatever runs beside them', async () => {
    await using pool = new PostgresLanePool({
      clusterId: 'c',
      database: database.name,
      cap: new ClusterCap(),
      clusterMaxLanes: 4,
      maxLanes: 4,
      acquireTimeoutMs: 30_000,
      open: async (signal) => await openPostgresLane(database.laneOptions({ wire, signal })),
    });
    let left = 5_000;
    const wrong: unknown[] = [];
    const check = (tenantId: string, rows: readonly unknown[]): void => {
      if (JSON.stringify(rows) !== JSON.stringify([[`of ${tenantId}`]])) wrong.push([tenantId, rows]);
    };
    await Promise.all(
      Array.from({ length: 24 }, async () => {
        while (left-- > 0) {
          const tenantId = tenants[randomInt(tenants.length)]!;
          const kind = randomInt(20);
          if (kind === 0)
            await pool.run({ context: contextOf(tenantId), statement: statementOf('select 1 / $1::int', [0]) }).catch(() => {});
          else if (kind === 1)
            await pool
              .run({ context: contextOf(tenantId), statement: statementOf('select pg_sleep(1)') }, AbortSignal.timeout(3))
              .catch(() => {});
          else if (kind === 2)
            check(
              tenantId,
              (
                await pool.run({
                  context: rawContextOf(tenantId),
                  statement: statementOf('select name from products', [], { prepare: false }),
                })
              ).rows,
            );
          else if (kind < 6) {
            await pool.transaction(contextOf(tenantId), {}, async (tx) => {
              check(tenantId, (await tx.execute(selectNames)).rows);
              await new Promise((resolve) => {
                setImmediate(resolve);
              });
              check(tenantId, (await tx.execute(selectNames)).rows);
            });
          } else check(tenantId, (await pool.run({ context: contextOf(tenantId), statement: selectNames })).rows);
        }
      }),
    );
    expect(wrong).toEqual([]);
    expect(pool.size).toBeLessThanOrEqual(4);
  }, 240_000);
});
