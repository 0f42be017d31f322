import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTransaction } from '../../../src/sql/transaction.ts';
import { adminClient, adminUrl, createDatabase, uniquePrefix } from '../../support/server.ts';

const fixture = fileURLToPath(new URL('./fixtures/stock-begin.ts', import.meta.url));
const run = async (kind: string): Promise<{ stdout: string; stderr: string; code: number }> =>
  await promisify(execFile)(process.execPath, ['--import', 'tsx', fixture, kind, adminUrl()]).then(
    ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  );

describe('inTransaction', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let sql: postgres.Sql;
  beforeAll(async () => {
    database = await createDatabase(`${uniquePrefix()}_tx`);
    sql = postgres(database.url, { max: 1, fetch_types: false, onnotice: () => {} });
    await sql`create table kept (id integer primary key)`;
  });
  afterAll(async () => {
    await sql?.end();
    await database?.[Symbol.asyncDispose]();
  });
  const kept = async (): Promise<number[]> => (await sql`select id from kept order by id`).map((row) => row['id'] as number);

  test('keeps all or nothing, and leaves the client usable', async () => {
    expect(
      await inTransaction(sql, async (tx) => {
        await tx`insert into kept values (1)`;
        return 'done';
      }),
    ).toBe('done');
    await expect(
      inTransaction(sql, async (tx) => {
        await tx`insert into kept values (2)`;
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await expect(
      inTransaction(sql, async (tx) => {
        await tx`insert into kept values (1)`;
      }),
    ).rejects.toMatchObject({ code: '23505' });
    expect(await kept()).toEqual([1]);
  });

  test('a failure that the callback swallows does not pass for a commit', async () => {
    await expect(
      inTransaction(sql, async (tx) => {
        await tx`select 1/0`.catch(() => {});
      }),
    ).rejects.toThrow('nothing of it was kept');
  });

  test('characteristics reach PostgreSQL', async () => {
    await expect(inTransaction(sql, async (tx) => await tx`insert into kept values (9)`, 'read only')).rejects.toMatchObject({
      code: '25006',
    });
  });

  test('once the connection is lost, nothing more runs: not on the next connection either', async () => {
    const admin = adminClient();
    const lost = postgres(database.url, { max: 1, fetch_types: false, onnotice: () => {} });
    await expect(
      inTransaction(lost, async (tx) => {
        const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
        await tx`insert into kept values (3)`;
        await admin`select pg_terminate_backend(${row!.pid})`;
        await tx`select pg_sleep(5)`.catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 50));
        await tx`insert into kept values (4)`.catch(() => {});
      }),
    ).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    await Promise.all([admin.end(), lost.end({ timeout: 1 })]);
    expect(await kept()).toEqual([1]);
  });

  test('a connection that is reset in the middle rejects', async () => {
    expect(await run('ours')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^rejected with (?:ECONNRESET|CONNECTION_CLOSED)/) as string,
    });
  });

  test('control: with the driver’s own begin it ends the process, where nobody can catch it', async () => {
    const { code, stderr } = await run('stock');
    expect(code).toBe(1);
    expect(stderr).toContain('TypeError');
  });
});
