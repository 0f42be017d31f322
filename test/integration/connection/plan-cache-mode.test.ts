import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lane } from '../../../src/connection/lane.ts';
import { contextOf, createLaneDatabase, type LaneDatabase, rawContextOf, statementOf, wires } from '../../support/lane-database.ts';

let database: LaneDatabase;
beforeAll(async () => {
  database = await createLaneDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

// With a parameter: without one there is nothing to plan for.
const selectNamed = (name: string) => statementOf('select name from app.products where name = $1', [name]);

const plansOf = async (lane: Lane): Promise<unknown> => {
  const { rows } = await lane.run({
    context: rawContextOf('a'),
    statement: statementOf(
      'select generic_plans::int as generic, custom_plans::int as custom from pg_prepared_statements where statement = $1',
      [selectNamed('').text],
      { prepare: false },
    ),
  });
  return (rows as readonly (readonly unknown[])[])[0];
};

test.each(wires)(
  'on the %s wire statements are planned as they were asked to be, also after raw SQL has reset the session',
  async (wire) => {
    const lane = await database.lane({ wire, planCacheMode: 'force_custom_plan' });
    for (let time = 0; time < 8; time++) await lane.run({ context: contextOf('a'), statement: selectNamed(`n${time}`) });
    expect(await plansOf(lane)).toEqual([0, 8]);
    for (let time = 0; time < 2; time++) await lane.run({ context: contextOf('a'), statement: selectNamed(`n${time}`) });
    expect(await plansOf(lane)).toEqual([0, 10]);
    await lane.close();
  },
);

test('behind a pooler the session is not given a setting that the pooler would refuse', async () => {
  const lane = await database.lane({ pooled: true, planCacheMode: 'force_generic_plan' });
  const { rows } = await lane.run({
    context: rawContextOf('a'),
    statement: statementOf("select current_setting('plan_cache_mode')", [], { prepare: false }),
  });
  expect(rows).toEqual([['auto']]);
  await lane.close();
});
