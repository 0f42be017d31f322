import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPostgresLane } from '../../src/connection/postgres-lane.ts';
import { AbortedError } from '../../src/errors.ts';
import { contextOf, createLaneDatabase, type LaneDatabase, selectNames, statementOf, wires } from '../support/lane-database.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** A cancel request names a backend, not a statement: late by a moment, it hits whatever the backend runs then. */
describe.each(wires)('a cancel request that comes too late (%s wire)', (wire) => {
  let database: LaneDatabase;
  let proxy: TcpProxy;
  beforeAll(async () => {
    database = await createLaneDatabase();
    const { host, port } = database.laneOptions();
    proxy = await startTcpProxy({ host, port });
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });
  const pause = async (ms: number): Promise<void> => {
    await new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
  };

  test('control: with the stock driver A’s late cancel hits B’s statement', async () => {
    const url = new URL(database.url);
    url.hostname = '127.0.0.1';
    url.port = String(proxy.port);
    const sql = postgres(url.href, { max: 1, fetch_types: false });
    await sql`select 1`;
    proxy.delay(200);
    const a = sql`select pg_sleep(0.3)`.execute();
    const settledA = a.catch(() => {});
    // At the server A runs from 200 to 500 ms; the request arrives at 600.
    await pause(400);
    const b = sql`select pg_sleep(1.5)`.execute();
    const settledB = b.then(
      () => 'resolved',
      (error: { code: string }) => error.code,
    );
    await pause(150);
    a.cancel();
    await settledA;
    expect(await settledB).toBe('57014');
    proxy.delay(0);
    await sql.end();
  });

  test('never hits the next tenant’s unit; one of the same tenant that was pipelined is run again whole', async () => {
    const lane = await openPostgresLane(database.laneOptions({ wire, host: '127.0.0.1', port: proxy.port }));
    await lane.run({ context: contextOf('a'), statement: selectNames });
    proxy.delay(200);
    const controller = new AbortController();
    const first = lane.run({ context: contextOf('a'), statement: statementOf('select pg_sleep(0.5)') }, controller.signal);
    const second = lane.run({
      context: contextOf('a'),
      statement: statementOf('insert into app.products (tenant_id, name) select $1, $2 from pg_sleep(0.8)', ['a', 'once']),
    });
    // At the server the first runs from 200 to 700 ms, the second until 1,500; BEGIN's answer is here at 400, the request there at 850.
    setTimeout(() => controller.abort(), 650);
    const outcomes = await Promise.allSettled([first, second]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'fulfilled']);
    proxy.delay(0);
    const next = await lane.run({ context: contextOf('b'), statement: statementOf('select pg_sleep(0.2)') });
    expect(next.rowCount).toBe(1);
    expect(await database.admin`select 1 from app.products where name = 'once'`).toHaveLength(1);
    await lane.close();
  });

  test('is waited for, however often, before another tenant’s unit is sent', async () => {
    const lane = await database.lane({ wire });
    for (let time = 0; time < 40; time++) {
      const short = lane.run(
        { context: contextOf('a'), statement: statementOf('select pg_sleep(0.01)') },
        AbortSignal.timeout(10 + (time % 4)),
      );
      await short.catch((error: unknown) => {
        expect(error).toBeInstanceOf(AbortedError);
      });
      await lane.run({ context: contextOf('b'), statement: statementOf('select pg_sleep(0.002)') });
    }
    await lane.close();
  });
});
