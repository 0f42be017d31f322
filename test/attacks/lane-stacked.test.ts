import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NotSupportedError } from '../../src/errors.ts';
import {
  contextOf,
  createLaneDatabase,
  type LaneDatabase,
  rawContextOf,
  selectNames,
  statementOf,
  wires,
} from '../support/lane-database.ts';

/** Text that holds more than a statement: `rollback; begin` leaves the scoped transaction, `commit` ends it. */
describe.each(wires)('stacked statements (%s wire)', (wire) => {
  let database: LaneDatabase;
  beforeAll(async () => {
    database = await createLaneDatabase();
    await database.admin`insert into app.products (tenant_id, name) values ('b', 'secret of b')`;
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });
  const breakout = "rollback; begin; select set_config('tenancy.context', 'b', true); select name from app.products";

  test('control: without parameters the stock driver stacks them and leaves A’s transaction', async () => {
    const sql = postgres(database.url, { max: 1, fetch_types: false, onnotice: () => {} });
    const answer = await sql
      .begin(async (tx) => {
        await tx`select set_config('tenancy.context', 'a', true)`;
        return await tx.unsafe(breakout, []);
      })
      .catch((error: unknown) => error);
    await sql.end();
    expect(JSON.stringify(answer)).toContain('secret of b');
  });

  test.each([true, false])('are refused by the lane (prepare: %s)', async (prepare) => {
    const lane = await database.lane({ wire });
    for (const raw of [true, false]) {
      const context = raw ? rawContextOf('a') : contextOf('a');
      await expect(lane.run({ context, statement: statementOf(breakout, [], { prepare }) })).rejects.toThrow(NotSupportedError);
      await expect(lane.run({ context, statement: statementOf(`select 1; ${breakout}`, [], { prepare }) })).rejects.toMatchObject({
        sqlState: '42601',
      });
      await expect(
        lane.transaction(context, {}, async (tx) => await tx.execute(statementOf(`select 1; ${breakout}`, [], { prepare }))),
      ).rejects.toMatchObject({ sqlState: '42601' });
    }
    expect((await lane.run({ context: contextOf('a'), statement: selectNames })).rows).toEqual([]);
    await lane.close();
  });

  test('control and defence: too many parameters throw inside the stock driver’s pipeline, which loses its place; a lane refuses them first', async () => {
    const sql = postgres(database.url, { max: 1, fetch_types: false, onnotice: () => {} });
    await sql`select 1`;
    const many = Array.from({ length: 65_600 }, () => 'x');
    const innocent = sql.unsafe('select pg_sleep(0.05), 1 as n', [], { simple: false } as never);
    const broken = sql.unsafe('select 2 as n', many);
    const state = async (query: Promise<unknown>): Promise<unknown> =>
      await Promise.race([
        query.then(
          () => 'resolved',
          (error: { code: string }) => error.code,
        ),
        new Promise((resolve) => {
          setTimeout(resolve, 500, 'pending');
        }),
      ]);
    const states = await Promise.all([state(innocent), state(broken)]);
    await sql.end({ timeout: 0 });
    expect(states).toEqual(['MAX_PARAMETERS_EXCEEDED', 'pending']);

    const lane = await database.lane({ wire });
    const [ok, refused, after] = await Promise.allSettled([
      lane.run({ context: contextOf('a'), statement: statementOf('select 1') }),
      lane.run({ context: contextOf('a'), statement: statementOf('select 2', many) }),
      lane.run({ context: contextOf('a'), statement: statementOf('select 3') }),
    ]);
    expect(ok).toMatchObject({ value: { rows: [[1]] } });
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'NOT_SUPPORTED' } });
    expect(after).toMatchObject({ value: { rows: [[3]] } });
    await lane.close();
  });
});
