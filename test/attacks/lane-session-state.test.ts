import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lane } from '../../src/connection/lane.ts';
import {
  contextOf,
  createLaneDatabase,
  insertProduct,
  type LaneDatabase,
  rawContextOf,
  selectNames,
  statementOf,
  wires,
} from '../support/lane-database.ts';

/** What one tenant's raw SQL leaves on a connection meets the next tenant there. */
describe.each(wires)('state left on a connection (%s wire)', (wire) => {
  let database: LaneDatabase;
  beforeAll(async () => {
    database = await createLaneDatabase();
    await database.admin.unsafe(`grant temp on database "${database.name}" to ${database.login}`);
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  const stockClient = () => postgres(database.url, { max: 1, fetch_types: false, onnotice: () => {} });
  const raw = async (lane: Lane, tenantId: string, text: string, params: unknown[] = []) =>
    (await lane.run({ context: rawContextOf(tenantId), statement: statementOf(text, params, { prepare: false }) })).rows;

  test('control: on a stock connection A’s temp table `products` takes B’s insert', async () => {
    const sql = stockClient();
    await sql`set search_path = app`;
    await sql`create temp table products (tenant_id text, name text)`;
    await sql.begin(async (tx) => {
      await tx`select set_config('tenancy.context', 'b', true)`;
      await tx`insert into products values ('b', 'card 4111')`;
    });
    expect(await sql`select name from pg_temp.products`).toEqual([{ name: 'card 4111' }]);
    await sql.end();
    expect(await database.admin`select 1 from app.products where tenant_id = 'b'`).toHaveLength(0);
  });

  test('a temp table is gone before the next unit, and shadows nothing while it lives', async () => {
    const lane = await database.lane({ wire });
    await raw(lane, 'a', 'create temp table products (tenant_id text, name text)');
    await raw(lane, 'b', "insert into products (tenant_id, name) values ('b', 'card 4111')");
    expect((await lane.run({ context: contextOf('b'), statement: selectNames })).rows).toEqual([['card 4111']]);
    await lane.transaction(rawContextOf('a'), {}, async (tx) => {
      await tx.execute(statementOf('create temp table products (tenant_id text, name text)', [], { prepare: false }));
      await tx.execute(statementOf("insert into products (tenant_id, name) values ('a', 'own')", [], { prepare: false }));
    });
    expect((await lane.run({ context: contextOf('a'), statement: selectNames })).rows).toEqual([['own']]);
    await lane.close();
  });

  test('control: on a stock connection settings, advisory locks and LISTEN stay', async () => {
    const sql = stockClient();
    await sql.begin(async (tx) => {
      await tx`select pg_advisory_lock(99)`;
      await tx`select set_config('tenancy.context', 'a', false)`;
      await tx.unsafe("listen gossip; set statement_timeout = '20ms'");
    });
    await expect(sql`select pg_sleep(5)`).rejects.toMatchObject({ code: '57014' });
    await sql`set statement_timeout = 0`;
    expect(await sql`select current_setting('tenancy.context') as context, pg_listening_channels() as channel`).toEqual([
      { context: 'a', channel: 'gossip' },
    ]);
    expect(await sql`select 1 from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`).toHaveLength(1);
    await sql.end();
  });

  test.each(['resolved', 'failed', 'was rolled back', 'failed at its COMMIT'])(
    'settings, advisory locks and LISTEN of a unit that %s are gone',
    async (how) => {
      const lane = await database.lane({ wire });
      const lock = "select pg_advisory_lock(99), set_config('tenancy.context', 'a', false), set_config('statement_timeout', '7s', false)";
      if (how === 'resolved') {
        await raw(lane, 'a', lock);
        await raw(lane, 'a', 'listen gossip');
      } else if (how === 'failed') {
        await expect(raw(lane, 'a', `with l as materialized (${lock}) select 1 / (count(*) - 1) from l`)).rejects.toMatchObject({
          sqlState: '22012',
        });
      } else if (how === 'failed at its COMMIT') {
        await expect(
          lane.transaction(rawContextOf('a'), {}, async (tx) => {
            await tx.execute(statementOf('set constraints all deferred', [], { prepare: false }));
            for (let time = 0; time < 2; time++) await tx.execute(insertProduct('a', 'twice'));
            await tx.execute(statementOf(lock, [], { prepare: false }));
          }),
        ).rejects.toMatchObject({ sqlState: '23505' });
      } else {
        await expect(
          lane.transaction(rawContextOf('a'), {}, async (tx) => {
            await tx.execute(statementOf(lock, [], { prepare: false }));
            throw new Error('roll back');
          }),
        ).rejects.toThrow('roll back');
      }
      const { rows } = await lane.run({
        context: contextOf('b', { sign: () => '' }),
        statement:
          statementOf(`select nullif(current_setting('tenancy.context', true), ''), current_setting('statement_timeout'), (select count(*)::int from pg_listening_channels()),
        (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())`),
      });
      expect(rows).toEqual([[null, '0', 0, 0]]);
      await lane.close();
    },
  );

  /**
   * SQL can drop a statement that the driver prepared and prepare another one under its name: the next tenant's insert then runs the
   * attacker's text, with the next tenant's values. The commands themselves are refused; dynamic SQL gets past that.
   */
  const hijack = (text: string, body: string): string => `do $do$ declare victim text; begin
    select name into victim from pg_prepared_statements where statement = '${text.replaceAll("'", "''")}';
    execute format('deallocate %I', victim); execute format('prepare %I (text, text) as ${body}', victim); end $do$`;
  const insertText = insertProduct('', '').text;
  const body = "select pg_notify(''stolen'', $1 || $2)::text::int as id";

  test('control: without cleaning, A’s statement under the name of a prepared one receives B’s values', async () => {
    const sql = stockClient();
    const heard: string[] = [];
    const spy = stockClient();
    await spy.listen('stolen', (payload) => heard.push(payload));
    await sql.begin(async (tx) => {
      await tx`select set_config('tenancy.context', 'a', true)`;
      await tx.unsafe(insertText, ['a', 'first'], { prepare: true });
    });
    await sql.unsafe(hijack(insertText, "select pg_notify(''stolen'', $1 || $2), 1 as id"));
    await sql
      .begin(async (tx) => {
        await tx`select set_config('tenancy.context', 'b', true)`;
        await tx.unsafe(insertText, ['b', 'card 4111'], { prepare: true }).catch(() => {});
      })
      .catch(() => {});
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    await sql.end();
    await spy.end();
    expect(heard).toEqual(['bcard 4111']);
  });

  test('a session in which SQL prepared statements is dropped before another unit runs', async () => {
    const lane = await database.lane({ wire });
    await lane.run({ context: contextOf('h1'), statement: insertProduct('h1', 'first') });
    await raw(lane, 'h1', hijack(insertText, body)).catch(() => {});
    await lane.ended;
    expect(lane.state).toBe('lost');
    await expect(lane.run({ context: contextOf('h2'), statement: insertProduct('h2', 'card 4111') })).rejects.toMatchObject({
      code: 'LANE_LOST',
      sent: false,
    });
  });

  test('a session whose prepared statements were dropped serves on: each unit is run again whole', async () => {
    const lane = await database.lane({ wire });
    const insert = async (name: string) => await lane.run({ context: contextOf('p'), statement: insertProduct('p', name) });
    await insert('one');
    await raw(lane, 'p', "do $$ begin execute 'deallocate all'; end $$");
    await insert('two');
    await lane.run({ context: contextOf('p'), statement: selectNames });
    await raw(lane, 'p', "do $$ begin execute 'deallocate all'; end $$");
    await expect(Promise.all([insert('three'), insert('four')])).resolves.toHaveLength(2);
    expect((await lane.run({ context: contextOf('p'), statement: selectNames })).rows).toEqual([['four'], ['one'], ['three'], ['two']]);
    await lane.close();
  });
});
