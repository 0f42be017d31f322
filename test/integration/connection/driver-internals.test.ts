import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DriverQuery } from '../../../src/connection/query-guard.ts';
import { createLaneDatabase, type LaneDatabase } from '../../support/lane-database.ts';

/** Lanes rest on behaviour of postgres.js that it doesn't document. An upgrade that changes one of these must be looked at. */
describe('postgres.js', () => {
  let database: LaneDatabase;
  beforeAll(async () => {
    database = await createLaneDatabase();
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });
  type Client = postgres.Sql & { unsafe(text: string, params: unknown[], options: object): DriverQuery };
  const client = (options: object = {}) =>
    postgres(database.url, { max: 1, fetch_types: false, onnotice: () => {}, ...options }) as unknown as Client;

  test('is the version that the lanes were written against', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../../node_modules/postgres/package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(manifest.version).toMatch(/^3\.4\./);
  });

  test('assigns `retried` just before it sends again, skips a query that is cancelled then, and carries on', async () => {
    const sql = client();
    await database.admin`create table app.pinned (id int)`;
    await database.admin.unsafe(`grant select on app.pinned to ${database.login}`);
    const select = () => sql.unsafe('select * from app.pinned', [], { prepare: true, simple: false });
    await select();
    await database.admin`alter table app.pinned add column more int`;
    const query = select();
    const assigned: unknown[] = [];
    Object.defineProperty(query, 'retried', {
      get: () => undefined,
      set(this: DriverQuery, error: unknown) {
        assigned.push(error);
        this.cancelled = {};
        this.reject(new Error('refused'));
      },
    });
    const next = sql.unsafe('select 2 as n', [], { prepare: false, simple: false });
    await expect(query).rejects.toThrow('refused');
    await expect(next).resolves.toMatchObject([{ n: 2 }]);
    expect(assigned).toMatchObject([{ routine: 'RevalidateCachedQuery' }]);
    await expect(select()).resolves.toMatchObject([]);
    await sql.end();
  });

  test('asks the `socket` option for each connection, and again when it reconnects', async () => {
    let asked = 0;
    const { host, port } = database.laneOptions();
    const sql = client({
      socket: async () => {
        asked++;
        const socket = connect({ host, port });
        await new Promise((resolve) => {
          socket.once('connect', resolve);
        });
        return socket;
      },
    });
    const [row] = await sql`select pg_backend_pid() as pid`;
    await database.admin`select pg_terminate_backend(${row!['pid'] as number}, 2000)`;
    await sql`select 1`.catch(() => {});
    await sql`select 1`;
    expect(asked).toBe(2);
    await sql.end();
  });

  test('lets BEGIN through where max is 1, and only there', async () => {
    const [one, two] = [client(), client({ max: 2 })];
    await expect(one.unsafe('begin', [], { simple: true })).resolves.toMatchObject({ command: 'BEGIN' });
    await expect(two.unsafe('begin', [], { simple: true })).rejects.toMatchObject({ code: 'UNSAFE_TRANSACTION' });
    await one.end();
    await two.end({ timeout: 0 });
  });

  test('gives queries `state`, `prepare`, `prepared` and `cancelled`, and sets neither `retried` nor `describeFirst` in the constructor', async () => {
    const sql = client();
    const query = sql.unsafe('select $1::int as n', ['1'], { prepare: true, simple: false });
    expect(query.state).toBeNull();
    expect(query.cancelled).toBeNull();
    expect(Object.hasOwn(query, 'retried')).toBe(false);
    expect(Object.hasOwn(query, 'describeFirst')).toBe(false);
    await query;
    expect(query).toMatchObject({ prepare: true, prepared: false, state: { pid: expect.any(Number), secret: expect.any(Number) } });
    const again = sql.unsafe('select $1::int as n', ['1'], { prepare: true, simple: false });
    await again;
    expect(again).toMatchObject({ prepare: true, prepared: true });
    await sql.end();
  });

  test('writes queries in the order in which they were awaited, each one microtask later', async () => {
    const sql = client();
    await sql`select 1`;
    const order: number[] = [];
    await Promise.all(
      [1, 2, 3, 4].map(async (n) => {
        await sql.unsafe(`select ${n}`, [], { simple: n % 2 === 0, prepare: false });
        order.push(n);
      }),
    );
    expect(order).toEqual([1, 2, 3, 4]);
    await sql.end();
  });

  test('answers several commands in one simple message as a list, the first result with its command', async () => {
    const sql = client();
    const list = (await sql.unsafe('commit; select 1 as n', [], { simple: true })) as unknown as { command: string }[];
    expect(list).toHaveLength(2);
    expect(list[0]!.command).toBe('COMMIT');
    await sql.end();
  });
});
