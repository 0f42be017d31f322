import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contextOf, createLaneDatabase, type LaneDatabase, statementOf, wires } from '../support/lane-database.ts';

/** Sessions of one login see each other's statement text in `pg_stat_activity`: a token in it can be read and replayed. */
describe.each(wires)('a context token, watched by another session of the same login (%s wire)', (wire) => {
  let database: LaneDatabase;
  beforeAll(async () => {
    database = await createLaneDatabase();
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  /** Polls the activity view while something runs; returns how often it was asked and every text that it showed. */
  async function watch(work: () => Promise<void>): Promise<{ polls: number; texts: Set<string> }> {
    const spy = postgres(database.url, { max: 1, fetch_types: false });
    const texts = new Set<string>();
    let polls = 0;
    let running = true;
    const done = work().finally(() => {
      running = false;
    });
    while (running) {
      for (const row of await spy<
        { query: string }[]
      >`select query from pg_stat_activity where pid <> pg_backend_pid() and usename = current_user`)
        texts.add(row.query);
      polls++;
    }
    await done;
    await spy.end();
    return { polls, texts };
  }

  test('control: as SET LOCAL text it is read', async () => {
    const token = `v1:${randomBytes(8).toString('hex')}`;
    const sql = postgres(database.url, { max: 1, fetch_types: false });
    const { texts } = await watch(async () => {
      for (let time = 0; time < 30; time++) {
        await sql.begin(async (tx) => {
          await tx.unsafe(`set local tenancy.context = '${token}'`);
          await new Promise((resolve) => {
            setTimeout(resolve, 10);
          });
        });
      }
    });
    await sql.end();
    expect([...texts].some((text) => text.includes(token))).toBe(true);
  });

  test('as a bound parameter it is never read, in units nor in transactions', async () => {
    const token = `v1:${randomBytes(8).toString('hex')}`;
    const lane = await database.lane({ wire });
    const context = contextOf('a', { sign: () => token });
    const { polls, texts } = await watch(async () => {
      for (let time = 0; time < 60; time++) {
        await Promise.all([
          lane.run({ context, statement: statementOf('select pg_sleep(0.002)') }),
          lane.run({ context, statement: statementOf('select 1') }),
        ]);
        await lane.transaction(context, {}, async (tx) => {
          await tx.execute(statementOf('select 2'));
          await new Promise((resolve) => {
            setTimeout(resolve, 2);
          });
          await tx.execute(statementOf('select pg_sleep(0.001)'));
        });
      }
    });
    expect(polls).toBeGreaterThan(20);
    expect([...texts].some((text) => text.includes('pg_sleep'))).toBe(true);
    expect([...texts].filter((text) => text.includes(token))).toEqual([]);
    const kept = await lane.run({ context, statement: statementOf('select statement from pg_prepared_statements') });
    expect(JSON.stringify(kept.rows)).not.toContain(token);
    await lane.close();
  });
});
