import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PlanInvalidatedError } from '../../src/errors.ts';
import { contextOf, createLaneDatabase, type LaneDatabase, statementOf, wires } from '../support/lane-database.ts';

/**
 * A migration invalidates a prepared plan. postgres.js then sends the statement again, behind everything that it has written since: on
 * a connection with pipelined transactions that is another tenant's transaction.
 */
describe.each(wires)('a statement whose plan a migration invalidated (%s wire)', (wire) => {
  let database: LaneDatabase;
  let column = 0;
  beforeAll(async () => {
    database = await createLaneDatabase();
    await database.admin.unsafe(`
      create table app.notes (tenant_id text not null default current_setting('tenancy.context', true), body text);
      alter table app.notes enable row level security;
      alter table app.notes force row level security;
      create policy tenant on app.notes using (tenant_id = nullif(current_setting('tenancy.context', true), ''));
      grant select, insert on app.notes to ${database.login};
    `);
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  const migrate = async (): Promise<void> => {
    await database.admin.unsafe(`alter table app.notes add column c${++column} int`);
  };
  const countOf = async (tenantId: string): Promise<number> =>
    (await database.admin`select 1 from app.notes where tenant_id = ${tenantId}`).length;
  const select = 'select * from app.notes';
  const insert = 'insert into app.notes (body) values ($1) returning *';

  /** Units of two tenants pipelined on one stock connection, the second's COMMIT still to come. */
  async function stock(text: string, params: string[]) {
    const sql = postgres(database.url, { max: 1, fetch_types: false, onnotice: () => {} });
    const context = 'select set_config($1, $2, true)';
    const send = (sqlText: string, values: string[] = []) => sql.unsafe(sqlText, values, { prepare: true, simple: false } as never);
    const unit = (tenantId: string) => [send('begin'), send(context, ['tenancy.context', tenantId]), send(text, params)] as const;
    await Promise.all([...unit('warm'), send('commit')]);
    await migrate();
    const a = unit('a');
    const first = [...a, send('commit')];
    const b = [send('begin'), send(context, ['tenancy.context', 'b'])];
    const [answers] = await Promise.all([Promise.allSettled(first), Promise.all(b)]);
    await send('commit');
    await sql.end();
    return answers[2]!;
  }

  test('control: the stock driver runs A’s select in B’s transaction and hands A the rows of B', async () => {
    await database.admin`insert into app.notes (tenant_id, body) values ('b', 'secret of b')`;
    const answer = await stock(select, []);
    expect(answer.status).toBe('fulfilled');
    expect(JSON.stringify((answer as PromiseFulfilledResult<unknown>).value)).toContain('secret of b');
  });

  test('control: the stock driver commits A’s insert as B’s row', async () => {
    const before = await countOf('b');
    await stock(insert, ['written by a']);
    expect(await countOf('b')).toBe(before + 1);
    expect(await countOf('a')).toBe(0);
  });

  test('is never sent again by the driver: the unit is rolled back and run again whole, as its own tenant', async () => {
    const lane = await database.lane({ wire });
    const run = async (tenantId: string, text: string, params: string[] = []) =>
      await lane.run({ context: contextOf(tenantId), statement: statementOf(text, params) });
    await run('a', select);
    await run('a', insert, ['one']);
    const others = await countOf('b');
    for (let time = 0; time < 5; time++) {
      await migrate();
      const answers = await Promise.all([run('a', select), run('a', insert, ['again']), run('a', select), run('a', insert, ['again'])]);
      expect(JSON.stringify(answers)).not.toContain('secret of b');
    }
    expect(await countOf('a')).toBe(1 + 5 * 2);
    expect(await countOf('b')).toBe(others);
    await lane.close();
  });

  test('in an interactive transaction is a typed, retryable error, and nothing is kept', async () => {
    const lane = await database.lane({ wire });
    const work = async () =>
      await lane.transaction(contextOf('c'), {}, async (tx) => {
        await tx.execute(statementOf('insert into app.notes (body) values ($1)', ['plain']));
        return await tx.execute(statementOf(select));
      });
    await work();
    await migrate();
    await expect(work()).rejects.toThrow(PlanInvalidatedError);
    await expect(work()).resolves.toMatchObject({ rowCount: 2 });
    expect(await countOf('c')).toBe(2);
    await lane.close();
  });
});
