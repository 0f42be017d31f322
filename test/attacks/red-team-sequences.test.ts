import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { QueryFailedError } from '../../src/errors.ts';
import { contextOf, createLaneDatabase, insertProduct, type LaneDatabase, rawContextOf, statementOf } from '../support/lane-database.ts';

/** `lastval()` is the session's, and a session is many tenants'. */
describe('the number that another tenant’s insert drew', () => {
  let database: LaneDatabase;
  beforeAll(async () => {
    database = await createLaneDatabase();
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  test('control: on a stock connection the next tenant reads it', async () => {
    const sql = postgres(database.url, { max: 1, fetch_types: false });
    const drawn = await sql.begin(async (tx) => {
      await tx`select set_config('tenancy.context', 'a', true)`;
      return await tx`insert into app.products (tenant_id, name) values ('a', 'control') returning id`;
    });
    expect(await sql.begin(async (tx) => await tx`select lastval()::int as id`)).toEqual([{ id: drawn[0]!['id'] }]);
    await sql.end();
  });

  const last = statementOf('select lastval()', [], { prepare: false });
  const current = statementOf("select currval('app.products_id_seq')", [], { prepare: false });

  test('is not to be had by the next tenant on the lane, in a unit or a transaction', async () => {
    const lane = await database.lane();
    for (const [index, statement] of [last, current].entries()) {
      const refused = { name: QueryFailedError.name, sqlState: '55000' };
      await lane.run({ context: contextOf('a'), statement: insertProduct('a', `unit ${index}`) });
      await expect(lane.run({ context: rawContextOf('b'), statement })).rejects.toMatchObject(refused);
      await lane.run({ context: contextOf('a'), statement: insertProduct('a', `fragment ${index}`) });
      await expect(lane.run({ context: contextOf('b'), statement })).rejects.toMatchObject(refused);
      await lane.transaction(contextOf('a'), {}, async (tx) => await tx.execute(insertProduct('a', `transaction ${index}`)));
      await expect(
        lane.transaction(contextOf('b'), { isolationLevel: 'serializable' }, async (tx) => {
          await tx.execute(statementOf('select 1'));
          await tx.execute(statement, { raw: true });
        }),
      ).rejects.toMatchObject(refused);
    }
    await lane.close();
  });

  test('is one’s own inside one transaction', async () => {
    const lane = await database.lane();
    await lane.transaction(contextOf('a'), { isolationLevel: 'serializable', accessMode: 'read write' }, async (tx) => {
      const { rows } = await tx.execute(insertProduct('a', 'own'));
      expect((await tx.execute(last, { raw: true })).rows).toEqual([[String((rows as number[][])[0]![0])]]);
    });
    await lane.close();
  });
});
