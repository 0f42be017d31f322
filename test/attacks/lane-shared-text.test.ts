import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contextOf, createLaneDatabase, type LaneDatabase, statementOf, wires } from '../support/lane-database.ts';

/** One prepared text under a changing search_path: with a type of its own in each schema, every second tenant fails. */
describe.each(wires)('on the %s wire', (wire) => {
  let database: LaneDatabase;
  beforeAll(async () => {
    database = await createLaneDatabase();
    for (const schema of ['t_a', 't_b']) {
      await database.admin.unsafe(`
      create schema ${schema}; create type ${schema}.state as enum ('new', 'old');
      create table ${schema}.orders (id int, state ${schema}.state); insert into ${schema}.orders values (1, 'new');
      grant usage on schema ${schema} to ${database.login}; grant select on ${schema}.orders to ${database.login};`);
    }
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  test('control: a text shared by tenants under SET search_path fails with "cached plan must not change result type"', async () => {
    const sql = postgres(database.url, { max: 1, fetch_types: false });
    const states: string[] = [];
    for (const schema of ['t_a', 't_b']) {
      await sql
        .begin(async (tx) => {
          await tx.unsafe(`set local search_path = ${schema}`);
          await tx.unsafe('select state from orders', [], { prepare: true, simple: false } as never);
          states.push('ok');
        })
        .catch((error: { code: string; message: string }) => {
          states.push(error.message);
        });
    }
    await sql.end();
    // The driver sends it again inside the transaction that has failed: one way or the other the second tenant is refused.
    expect(states[0]).toBe('ok');
    expect(states[1]).toMatch(/cached plan must not change result type|current transaction is aborted/);
  });

  test('qualified texts serve both tenants on one lane', async () => {
    const lane = await database.lane({ wire });
    for (let time = 0; time < 3; time++) {
      for (const schema of ['t_a', 't_b']) {
        const { rows } = await lane.run({
          context: contextOf(schema),
          statement: statementOf(`select state from ${schema}.orders where id = $1`, [1]),
        });
        expect(rows).toEqual([['new']]);
      }
    }
    await lane.close();
  });

  test('a shared text under a changing search_path is at least run again whole, never in another’s transaction', async () => {
    const lane = await database.lane({ wire });
    for (const schema of ['t_a', 't_b', 't_a', 't_b']) {
      const { rows } = await lane.run({
        context: contextOf(schema, { searchPath: schema }),
        statement: statementOf('select state from orders'),
      });
      expect(rows).toEqual([['new']]);
    }
    await lane.close();
  });
});
