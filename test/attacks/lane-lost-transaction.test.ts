import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClusterCap } from '../../src/connection/cluster-cap.ts';
import { openPostgresLane } from '../../src/connection/postgres-lane.ts';
import { PostgresLanePool } from '../../src/connection/postgres-lane-pool.ts';
import { LaneLostError } from '../../src/errors.ts';
import {
  contextOf,
  createLaneDatabase,
  insertProduct,
  type LaneDatabase,
  selectNames,
  statementOf,
  wires,
} from '../support/lane-database.ts';

/** A backend dies inside A's transaction; the driver reconnects, B's transaction begins on the same connection object, A goes on. */
describe.each(wires)('a transaction whose backend was killed (%s wire)', (wire) => {
  let database: LaneDatabase;
  beforeAll(async () => {
    database = await createLaneDatabase();
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  const gate = () => {
    let open = (): void => {};
    return {
      opened: new Promise<void>((resolve) => {
        open = resolve;
      }),
      open: () => open(),
    };
  };
  const kill = async (pid: number): Promise<void> => {
    await database.admin`select pg_terminate_backend(${pid}, 2000)`;
  };
  const namesOf = async (tenantId: string) =>
    (await database.admin<{ name: string }[]>`select name from app.products where tenant_id = ${tenantId} order by name`).map(
      (row) => row.name,
    );

  test('control: with the stock driver A’s callback goes on in B’s transaction and reads B’s rows', async () => {
    await database.admin`insert into app.products (tenant_id, name) values ('b', 'secret of b')`;
    const sql = postgres(database.url, { max: 1, fetch_types: false, onnotice: () => {} });
    const [killed, inside, finished] = [gate(), gate(), gate()];
    let seen: readonly unknown[] = [];
    const a = sql.begin(async (tx) => {
      await tx`select set_config('tenancy.context', 'a', true)`;
      const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await kill(row!.pid);
      killed.open();
      await inside.opened;
      seen = await tx`select name from app.products`;
      finished.open();
    });
    const lost = expect(a).rejects.toThrow();
    await killed.opened;
    await lost;
    const b = sql.begin(async (tx) => {
      await tx`select set_config('tenancy.context', 'b', true)`;
      inside.open();
      await finished.opened;
    });
    await b;
    await sql.end();
    expect(seen).toEqual([{ name: 'secret of b' }]);
  });

  test('rejects at once; its callback can neither read nor write any more, on whichever connection', async () => {
    await using pool = new PostgresLanePool({
      clusterId: 'c',
      database: database.name,
      cap: new ClusterCap(),
      clusterMaxLanes: 1,
      maxLanes: 1,
      open: async (signal) => await openPostgresLane(database.laneOptions({ wire, signal })),
    });
    const [killed, inside, finished] = [gate(), gate(), gate()];
    const late: PromiseSettledResult<unknown>[] = [];
    const a = pool.transaction(contextOf('a'), {}, async (tx) => {
      await tx.execute(insertProduct('a', 'gone'));
      const [row] = (await tx.execute(statementOf('select pg_backend_pid()'))).rows as [[number]];
      await kill(row[0]);
      killed.open();
      await inside.opened;
      late.push(
        ...(await Promise.allSettled([
          tx.execute(selectNames),
          tx.execute(insertProduct('a', 'late')),
          tx.savepoint(async () => await tx.execute(selectNames)),
        ])),
      );
      finished.open();
      return 'as if nothing had happened';
    });
    const lost = expect(a).rejects.toThrow(LaneLostError);
    await killed.opened;
    await lost;
    await pool.transaction(contextOf('b'), {}, async (tx) => {
      await tx.execute(insertProduct('b', 'of b'));
      inside.open();
      await finished.opened;
    });
    expect(late.map((settled) => settled.status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await namesOf('a')).toEqual([]);
    expect(await namesOf('b')).toEqual(['of b', 'secret of b']);
  });

  test('what was queued when the connection died runs nowhere', async () => {
    const lane = await database.lane({ wire });
    const units = Array.from({ length: 30 }, (_, index) =>
      lane.run({
        context: contextOf('d'),
        statement: statementOf(`insert into app.products (tenant_id, name) select $1, $2 from pg_sleep(0.02) -- ${index}`, [
          'd',
          `n${index}`,
        ]),
      }),
    );
    const settled = Promise.allSettled(units);
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    await kill(lane.backendPid);
    const outcomes = await settled;
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    const acknowledged = outcomes.flatMap((outcome, index) => (outcome.status === 'fulfilled' ? [`n${index}`] : []));
    const kept = await namesOf('d');
    expect(kept).toEqual(expect.arrayContaining(acknowledged));
    // At most the unit whose COMMIT was under way is in doubt.
    expect(kept.length - acknowledged.length).toBeLessThanOrEqual(1);
    expect(
      outcomes
        .filter((outcome) => outcome.status === 'rejected')
        .every((outcome) => (outcome as PromiseRejectedResult).reason instanceof LaneLostError),
    ).toBe(true);
    expect(lane.state).toBe('lost');
  });
});
