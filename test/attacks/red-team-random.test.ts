import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lane } from '../../src/connection/lane.ts';
import { contextOf, createLaneDatabase, type LaneDatabase, rawContextOf, statementOf, wires } from '../support/lane-database.ts';

/** `random()` is the session's, and neither RESET ALL nor DISCARD ALL touches it: one tenant's seed would choose the next one's numbers. */
describe.each(wires)('the numbers that another tenant draws (%s wire)', (wire) => {
  let database: LaneDatabase;
  beforeAll(async () => {
    database = await createLaneDatabase();
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  const draw = statementOf('select random() as r');
  const ways: Readonly<Record<string, (lane: Lane) => Promise<unknown>>> = {
    'raw SQL': (lane) => lane.run({ context: rawContextOf('a'), statement: statementOf('select setseed(0.42)', [], { prepare: false }) }),
    'SET SEED': (lane) => lane.run({ context: rawContextOf('a'), statement: statementOf('set seed = 0.42', [], { prepare: false }) }),
    'a fragment in a builder': (lane) => lane.run({ context: contextOf('a'), statement: statementOf('select setseed(0.42)') }),
    'a setting': (lane) => lane.run({ context: contextOf('a'), statement: statementOf("select set_config('seed', '0.42', false)") }),
    'a transaction that is rolled back': async (lane) =>
      await lane
        .transaction(contextOf('a'), {}, async (tx) => {
          await tx.execute(statementOf('select setseed(0.42)'));
          throw new Error('no');
        })
        .catch(() => {}),
  };

  test('control: on a stock connection they are the ones that the attacker’s seed chose, also after DISCARD ALL', async () => {
    const sql = postgres(database.url, { max: 1, fetch_types: false });
    const drawn = async (): Promise<unknown> => {
      await sql`select setseed(0.42)`;
      await sql`discard all`;
      return await sql`select random() as r`;
    };
    expect(await drawn()).toEqual(await drawn());
    await sql.end();
  });

  test.each(Object.keys(ways))('are not chosen by %s', async (way) => {
    const lane = await database.lane({ wire });
    const drawn = async (): Promise<unknown> => {
      await ways[way]!(lane);
      return (await lane.run({ context: contextOf('b'), statement: draw })).rows;
    };
    expect(await drawn()).not.toEqual(await drawn());
    await lane.close();
  });

  test('don’t follow from what the attacker drew, nor tell it what was drawn before', async () => {
    const lane = await database.lane({ wire });
    const next = async (tenantId: string): Promise<unknown> => (await lane.run({ context: contextOf(tenantId), statement: draw })).rows[0];
    await lane.run({ context: rawContextOf('a'), statement: statementOf('select setseed(0.42), random()', [], { prepare: false }) });
    const drawn = [await next('b'), await next('b'), await next('a')];
    expect(new Set(drawn.map((row) => JSON.stringify(row))).size).toBe(3);
    // Each unit that draws has its session reseeded behind it.
    await lane.run({ context: contextOf('b'), statement: statementOf('select random(), setseed(0.42)') });
    expect(await next('a')).not.toEqual(await firstOf(database.url));
    await lane.close();
  });
});

/** What the first draw after the seed answers. */
async function firstOf(url: string): Promise<unknown> {
  const sql = postgres(url, { max: 1, fetch_types: false });
  await sql`select setseed(0.42)`;
  const [row] = await sql`select random()`.values();
  await sql.end();
  return row;
}
