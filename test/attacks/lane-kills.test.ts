import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClusterCap } from '../../src/connection/cluster-cap.ts';
import { openPostgresLane } from '../../src/connection/postgres-lane.ts';
import { PostgresLanePool } from '../../src/connection/postgres-lane-pool.ts';
import { LaneLostError, TenancyError } from '../../src/errors.ts';
import { contextOf, createLaneDatabase, insertProduct, type LaneDatabase, selectNames, wires } from '../support/lane-database.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

/** 200 connections are killed, at the server and on the wire, while two tenants write. Nothing acknowledged is lost, nothing refused is kept. */
describe.each(wires)('on the %s wire', (wire) => {
  let database: LaneDatabase;
  beforeAll(async () => {
    database = await createLaneDatabase();
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  const seed = Number(process.env['LANE_KILLS_SEED'] ?? randomInt(2 ** 31));
  const kills = 200;

  /** A small generator that gives the same numbers for the same seed. */
  function generator(start: number): (bound: number) => number {
    let state = start >>> 0;
    return (bound) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * bound);
    };
  }

  test(`writes of two tenants through ${kills} kills (LANE_KILLS_SEED=${seed})`, async () => {
    const random = generator(seed);
    const { host, port } = database.laneOptions();
    await using proxy = await startTcpProxy({ host, port });
    await using pool = new PostgresLanePool({
      clusterId: 'c',
      database: database.name,
      cap: new ClusterCap(),
      clusterMaxLanes: 4,
      maxLanes: 4,
      acquireTimeoutMs: 20_000,
      open: async (signal) => await openPostgresLane(database.laneOptions({ wire, host: '127.0.0.1', port: proxy.port, signal })),
    });
    const acknowledged = new Map<string, string>();
    const refused = new Map<string, string>();
    const doubtful = new Map<string, string>();
    const foreign: unknown[] = [];
    let killed = 0;
    let sequence = 0;

    const note = (tenantId: string, name: string, error: unknown): void => {
      if (!(error instanceof TenancyError)) throw error as Error;
      if (error instanceof LaneLostError && error.sent) doubtful.set(name, tenantId);
      else refused.set(name, tenantId);
    };
    const writer = async (tenantId: string): Promise<void> => {
      while (killed < kills) {
        const name = `${tenantId}-${++sequence}`;
        try {
          if (random(3) === 0) {
            await pool.transaction(contextOf(tenantId), {}, async (tx) => {
              await tx.execute(insertProduct(tenantId, name));
              foreign.push(
                ...(await tx.execute(selectNames)).rows.filter((row) => !String((row as string[])[0]).startsWith(`${tenantId}-`)),
              );
            });
          } else await pool.run({ context: contextOf(tenantId), statement: insertProduct(tenantId, name) });
          acknowledged.set(name, tenantId);
        } catch (error) {
          note(tenantId, name, error);
        }
      }
    };
    const killer = async (): Promise<void> => {
      while (killed < kills) {
        // Some work gets through between two kills, however slow the machine.
        const enough = acknowledged.size + random(8);
        do
          await new Promise((resolve) => {
            setTimeout(resolve, 1 + random(4));
          });
        while (acknowledged.size < enough);
        const how = random(4);
        if (how === 0) proxy.cut(random(proxy.connections));
        else if (how === 1) proxy.cutAfter('up', 1 + random(900));
        else if (how === 2) proxy.cutAfter('down', 1 + random(600));
        else
          await database.admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${database.login} order by random() limit 1`;
        killed++;
      }
    };
    await Promise.all([writer('a'), writer('b'), writer('a'), writer('b'), writer('a'), writer('b'), killer()]);

    const kept = await database.admin<{ tenant_id: string; name: string }[]>`select tenant_id, name from app.products`;
    const tenantOf = new Map(kept.map((row) => [row.name, row.tenant_id]));
    expect(tenantOf.size).toBe(kept.length);
    expect([...acknowledged].filter(([name, tenantId]) => tenantOf.get(name) !== tenantId)).toEqual([]);
    expect([...refused].filter(([name]) => tenantOf.has(name))).toEqual([]);
    expect([...doubtful].filter(([name, tenantId]) => tenantOf.has(name) && tenantOf.get(name) !== tenantId)).toEqual([]);
    expect(kept.filter((row) => !row.name.startsWith(`${row.tenant_id}-`))).toEqual([]);
    expect(foreign).toEqual([]);
    expect(acknowledged.size).toBeGreaterThan(100);
    expect(proxy.accepted).toBeGreaterThan(20);
  }, 240_000);
});
