import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPostgresLane } from '../../../src/connection/postgres-lane.ts';
import { LaneLostError, QueryFailedError } from '../../../src/errors.ts';
import {
  contextOf,
  createLaneDatabase,
  insertProduct,
  type LaneDatabase,
  rawContextOf,
  selectNames,
  statementOf,
  wires,
} from '../../support/lane-database.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

describe.each(wires)('a lane on the %s wire', (wire) => {
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
  const open = async (options = {}) =>
    await openPostgresLane(database.laneOptions({ wire, host: '127.0.0.1', port: proxy.port, ...options }));

  test.each([
    [false, 'cold and warm'],
    [true, 'behind a pooler'],
  ])('a unit is one write and one round trip (pooled: %s, %s)', async (pooled) => {
    const lane = await open({ pooled });
    for (let time = 0; time < 3; time++) {
      proxy.resetCounts();
      await lane.run({ context: contextOf('a'), statement: insertProduct('a', `n${time}${pooled}`) });
      expect(proxy.counts.bursts).toBe(1);
    }
    proxy.resetCounts();
    await lane.run({
      context: rawContextOf('a'),
      statement: statementOf('select name from products where name = $1', ['n1'], { prepare: false }),
    });
    expect(proxy.counts.bursts).toBe(1);
    await lane.close();
  });

  test('overlapping units share a round trip, and a transaction needs one for each statement and one for its COMMIT', async () => {
    const lane = await open();
    proxy.delay(5);
    proxy.resetCounts();
    await Promise.all([1, 2, 3].map(async () => await lane.run({ context: contextOf('a'), statement: selectNames })));
    expect(proxy.counts.bursts).toBe(1);
    proxy.resetCounts();
    await lane.transaction(contextOf('a'), {}, async (tx) => {
      await tx.execute(selectNames);
      await tx.execute(selectNames);
    });
    expect(proxy.counts.bursts).toBe(3);
    proxy.delay(0);
    await lane.close();
  });

  test('never connects a second time', async () => {
    const lane = await open();
    const before = proxy.accepted;
    const unit = lane.run({ context: contextOf('a'), statement: statementOf('select pg_sleep(5)') });
    const lost = expect(unit).rejects.toMatchObject({ code: 'LANE_LOST', sent: true });
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    proxy.cut();
    await lost;
    await expect(lane.run({ context: contextOf('a'), statement: selectNames })).rejects.toMatchObject({ sent: false, retryable: true });
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    expect(proxy.accepted).toBe(before);
    expect(proxy.connections).toBe(0);
  });

  test('tells its owner once when it is lost, and not when it is closed', async () => {
    let lost = 0;
    const onLost = (): void => {
      lost++;
    };
    const closed = await open({ onLost });
    await closed.close();
    expect(lost).toBe(0);
    const cut = await open({ onLost });
    proxy.cut();
    await cut.ended;
    expect(lost).toBe(1);
    expect(cut.state).toBe('lost');
  });

  test('cut anywhere in its answers, a unit is acknowledged only when it was kept', async () => {
    let acknowledged = 0;
    for (let bytes = 1; bytes < 420; bytes += 19) {
      const lane = await open();
      await lane.run({ context: contextOf('cut'), statement: selectNames });
      proxy.cutAfter('down', bytes);
      const name = `cut${bytes}`;
      const outcome = await lane.run({ context: contextOf('cut'), statement: insertProduct('cut', name) }).catch((error: unknown) => error);
      const kept = await database.admin`select 1 from app.products where name = ${name}`;
      if (outcome instanceof Error) {
        expect(outcome).toBeInstanceOf(LaneLostError);
        if (!(outcome as LaneLostError).sent) expect(kept).toHaveLength(0);
      } else {
        acknowledged++;
        expect(kept).toHaveLength(1);
      }
      proxy.cut();
      await lane.ended;
    }
    expect(acknowledged).toBeGreaterThan(0);
  });

  test('of postgres.js takes no new work once it has prepared its bound of statements, and ends when what is under way has', async () => {
    const lane = await open({ wire: 'driver', maxStatements: 4 });
    for (let index = 0; index < 3; index++) {
      expect(lane.state).toBe('open');
      await lane.run({ context: contextOf('a'), statement: statementOf(`select ${index}`) });
    }
    await lane.ended;
    expect(lane.state).toBe('closed');
    await expect(lane.run({ context: contextOf('a'), statement: selectNames })).rejects.toMatchObject({ sent: false });
  });

  test('raw SQL, which is not prepared, doesn’t use the bound up', async () => {
    const lane = await open({ maxStatements: 4 });
    for (let index = 0; index < 20; index++)
      await lane.run({ context: rawContextOf('a'), statement: statementOf(`select ${index}`, [], { prepare: false }) });
    expect(lane.state).toBe('open');
    await lane.close();
  });

  test('a token is renewed in a long transaction', async () => {
    const lane = await open();
    const real = performance.now.bind(performance);
    let ahead = 0;
    performance.now = () => real() + ahead;
    try {
      let signed = 0;
      await lane.transaction(
        contextOf('a', {
          sign: () => {
            signed++;
            return 'a';
          },
        }),
        {},
        async (tx) => {
          await tx.execute(selectNames);
          await tx.execute(selectNames);
          expect(signed).toBe(1);
          await tx
            .savepoint(async () => {
              ahead = 61_000;
              await tx.execute(selectNames);
              expect(signed).toBe(2);
              throw new Error('undo');
            })
            .catch(() => {});
          // The savepoint took the renewed token with it.
          await tx.execute(selectNames);
          expect(signed).toBe(3);
        },
      );
    } finally {
      performance.now = real;
    }
    await lane.close();
  });

  test('opening fails with a typed error that holds no password', async () => {
    const password = 'hunter2-secret';
    const wrong = (await open({ credentials: { user: database.login, password } }).catch((error: unknown) => error)) as Error;
    const absent = await open({ database: 'no_such_database' }).catch((error: unknown) => error);
    const nobody = await open({ port: 1 }).catch((error: unknown) => error);
    expect(wrong).toBeInstanceOf(QueryFailedError);
    expect(wrong).toMatchObject({ sqlState: '28P01' });
    expect(`${wrong.stack}${JSON.stringify(wrong)}`).not.toContain(password);
    expect(absent).toMatchObject({ sqlState: '3D000' });
    expect(nobody).toMatchObject({ code: 'LANE_LOST', sent: false });
    await expect(open({ tls: 'verify-full' })).rejects.toThrow(LaneLostError);
    await expect(open({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('opening against a server that never answers ends in time', async () => {
    proxy.delay(60_000);
    await expect(open({ connectTimeoutMs: 150 })).rejects.toMatchObject({ code: 'LANE_LOST', sent: false });
    proxy.delay(0);
    proxy.cut();
  });
});
