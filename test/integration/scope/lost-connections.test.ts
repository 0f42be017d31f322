import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Auditor } from '../../../src/audit/auditor.ts';
import { ClusterCap } from '../../../src/connection/cluster-cap.ts';
import { openPostgresLane } from '../../../src/connection/postgres-lane.ts';
import { PostgresLanePool } from '../../../src/connection/postgres-lane-pool.ts';
import { createScopedDatabase, type ScopedDatabase } from '../../../src/database/scoped-database.ts';
import { LaneLostError } from '../../../src/errors.ts';
import { DirectRouter, runAs, TestKeyRing } from '../../support/direct-route.ts';
import { adminClient, adminUrl, createDatabase, uniquePrefix } from '../../support/server.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { archive, schema, tableDdl } from '../database/sample-schema.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
let admin: ReturnType<typeof adminClient>;
let proxy: TcpProxy;
let pool: PostgresLanePool;
let scoped: ScopedDatabase<typeof schema>;

beforeAll(async () => {
  database = await createDatabase(`${uniquePrefix()}_db`);
  admin = adminClient(database.name);
  await admin.unsafe(`create schema reference; ${tableDdl('pool')}`);
  const url = new URL(adminUrl(database.name));
  proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port || 5432) });
  pool = new PostgresLanePool({
    clusterId: 'c',
    database: database.name,
    cap: new ClusterCap(),
    clusterMaxLanes: 1,
    maxLanes: 1,
    open: async (signal) =>
      await openPostgresLane({
        host: '127.0.0.1',
        port: proxy.port,
        tls: 'disable',
        database: database.name,
        signal,
        credentials: { user: url.username, password: decodeURIComponent(url.password) },
      }),
  });
  scoped = createScopedDatabase({
    schema,
    router: new DirectRouter(pool, { alpha: 'pool' }),
    keys: new TestKeyRing(),
    auditor: new Auditor([]),
  });
});
afterAll(async () => {
  await pool?.close();
  await proxy?.[Symbol.asyncDispose]();
  await admin?.end();
  await database?.[Symbol.asyncDispose]();
});

/** Cuts every connection and waits until the pool has seen it. */
async function cut(): Promise<void> {
  proxy.cut();
  await expect.poll(() => pool.size).toBe(0);
}
const kept = async (id: number): Promise<number> => (await admin`select 1 from pool.archive where id = ${id}`).length;
const insert = (id: number) => scoped.db.insert(archive).values({ id, sku: 'x', owner: 'x' });
const failure = (error: unknown): LaneLostError => {
  expect(error).toBeInstanceOf(LaneLostError);
  return error as LaneLostError;
};

describe('a connection that is lost', () => {
  test('while nothing ran on it is nobody’s error', async () => {
    await runAs('alpha', () => scoped.db.select().from(archive));
    await cut();
    await runAs('alpha', () => insert(1));
    expect(await kept(1)).toBe(1);
    await cut();
    let calls = 0;
    await runAs('alpha', () =>
      scoped.transaction(async (tx) => {
        calls++;
        await tx.delete(archive).where(eq(archive.id, 1));
      }),
    );
    expect([calls, await kept(1)]).toEqual([1, 0]);
  });

  test('with a unit on it is typed, says truly what may have been kept, and the unit never runs twice', async () => {
    const doubtful = { kept: 0, gone: 0 };
    for (let turn = 0; turn < 60; turn++) {
      const id = 100 + turn;
      await runAs('alpha', () => scoped.db.select().from(archive).where(eq(archive.id, 0)));
      proxy.cutAfter(turn % 2 === 0 ? 'up' : 'down', 1 + turn * 12);
      const outcome = await runAs('alpha', () => insert(id)).catch(failure);
      await cut();
      if (!(outcome instanceof LaneLostError)) expect(await kept(id)).toBe(1);
      else if (outcome.sent) doubtful[(await kept(id)) === 1 ? 'kept' : 'gone']++;
      else expect([outcome.retryable, await kept(id)]).toEqual([true, 0]);
    }
    // Control: of those that nobody can know about some were kept and some were not.
    expect(doubtful.kept).toBeGreaterThan(0);
    expect(doubtful.gone).toBeGreaterThan(0);
  });

  test('under a transaction ends it: its callback is not called again, with retry neither', async () => {
    for (const retry of [undefined, { attempts: 5, baseDelayMs: 1 }]) {
      let calls = 0;
      const outcome = await runAs('alpha', () =>
        scoped
          .transaction(
            async (tx) => {
              calls++;
              await tx.insert(archive).values({ id: 900, sku: 'x', owner: 'x' });
              proxy.cut();
              await tx.select().from(archive);
            },
            { retry },
          )
          .catch(failure),
      );
      expect(outcome).toMatchObject({ sent: false });
      expect(calls).toBe(1);
    }
    expect(await kept(900)).toBe(0);
  });

  test('under a cursor or a COPY ends the loop', async () => {
    for (const read of [
      () => scoped.sql`select generate_series(1, 1000000)`.cursor(10),
      () => scoped.sql`select generate_series(1, 100000000)`.copyTo(),
    ]) {
      const outcome = await runAs('alpha', async () => {
        for await (const _ of read()) proxy.cut();
      }).catch(failure);
      expect(outcome).toMatchObject({ sent: false });
      expect(await runAs('alpha', () => scoped.db.$count(archive, eq(archive.id, 0)))).toBe(0);
    }
  });
});
