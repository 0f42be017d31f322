import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { CatalogError } from '../../../src/errors.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { within } from '../../support/within.ts';
import { type CatalogDatabase, createCatalogDatabase } from './catalog-database.ts';

describe('a catalog whose connections end', () => {
  let database: CatalogDatabase;
  beforeAll(async () => {
    database = await createCatalogDatabase();
  });
  afterAll(async () => {
    await database?.[Symbol.asyncDispose]();
  });

  async function proxied() {
    const url = new URL(database.serviceUrl);
    const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    return { proxy, url: url.href };
  }

  type Ask = (n: number, seconds?: number) => Promise<number>;

  /**
   * Asks as soon as a reset connection has failed what ran on it, when its socket has not closed yet; and then goes on asking.
   *
   * @returns what that question was answered with, `refused` or `hung`, and how many of the later ones were answered rightly
   */
  async function askAfterReset(ask: Ask, proxy: { cut(place?: number, how?: 'fin' | 'rst'): void }) {
    let inBetween: Promise<number> | undefined;
    await ask(0);
    const running = ask(1, 60).catch(() => {
      inBetween = ask(2);
      inBetween.catch(() => {});
    });
    while (!(await busy())) await sleep(10);
    proxy.cut(undefined, 'rst');
    await running;
    let right = 0;
    for (let n = 3; n < 6; n++) if ((await within(ask(n), 2_000).catch(() => 0)) === n) right++;
    const answer = await within(
      inBetween!.catch(() => 'refused' as const),
      2_000,
    );
    return { answer: answer ?? 'hung', right };
  }

  /** Without parameters: the driver sends one of a new text that has some by itself. */
  const text = (n: number, seconds: number): string => `select ${n} as n, pg_sleep(${seconds})`;

  const busy = async (): Promise<boolean> => {
    const rows = await database.admin`
      select from pg_stat_activity where usename = ${database.login} and state = 'active' and query ~ 'pg_sleep'`;
    return rows.length > 0;
  };

  test('what is asked between a connection’s error and its close is answered or refused; the driver loses it', async () => {
    const { proxy, url } = await proxied();
    await using _ = proxy;
    // Control: the driver alone.
    const stock = postgres(url, { max: 1, fetch_types: false, onnotice: () => {}, backoff: () => 0 });
    const alone = await askAfterReset(async (n, seconds = 0) => (await stock.unsafe<{ n: number }[]>(text(n, seconds)))[0]!.n, proxy);
    await stock.end({ timeout: 0 });
    expect([3, 4, 5, 'hung']).toContain(alone.answer);
    expect(alone.right).toBeLessThan(3);

    await using client = await CatalogClient.open({ url, maxConnections: 1, statementTimeoutMs: 120_000 });
    const ours = await askAfterReset(
      async (n, seconds = 0) => (await client.query({ doing: 'asking' }, (sql) => sql.unsafe<{ n: number }[]>(text(n, seconds))))[0]!.n,
      proxy,
    );
    expect(['refused', 2]).toContain(ours.answer);
    expect(ours.right).toBe(3);
  });

  test('a login that is closed for a while, its sessions ended, hangs nobody and answers nobody with another’s', async () => {
    for (const pauseMs of [undefined, 0, 1, 3]) {
      await using client = await CatalogClient.open({ url: database.serviceUrl, maxConnections: 1 });
      const asked: Promise<boolean>[] = [];
      let over = false;
      const asking = (async () => {
        for (let n = 0; !over; n++) {
          const answer = client
            .query({ doing: 'asking' }, (sql) => sql<{ n: number }[]>`select ${n}::int as n`)
            .then(
              ([row]) => row!.n === n,
              (error: unknown) => error instanceof CatalogError,
            );
          asked.push(answer);
          await (pauseMs === undefined ? answer : sleep(pauseMs));
        }
      })();
      await database.admin.unsafe(`alter role "${database.login}" nologin`);
      await database.admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${database.login}`;
      await sleep(200);
      await database.admin.unsafe(`alter role "${database.login}" login`);
      await sleep(200);
      over = true;
      expect(
        await within(
          asking.then(() => Promise.all(asked)),
          30_000,
        ),
        'hangs',
      ).toBeDefined();
      expect(new Set(await Promise.all(asked))).toEqual(new Set([true]));
      expect(
        await client
          .query({ doing: 'asking' }, (sql) => sql`select 7 as n`)
          .catch(async () => await client.query({ doing: 'asking' }, (sql) => sql`select 7 as n`)),
      ).toEqual([{ n: 7 }]);
    }
  });

  test('a server that says nothing any more is given up, and the next connection serves', async () => {
    const { proxy, url } = await proxied();
    await using _ = proxy;
    await using client = await CatalogClient.open({ url, maxConnections: 1, patienceMs: 5_000 });
    const ask = async () => await client.query({ doing: 'asking' }, (sql) => sql`select 1 as n`);
    expect(await ask()).toEqual([{ n: 1 }]);
    void proxy.cutAfter('down', 0, 'stall');
    const error = await within(
      ask().catch((reason: unknown) => reason),
      40_000,
    );
    expect(error).toBeInstanceOf(CatalogError);
    expect(error).toMatchObject({ retryable: true });
    expect(await ask()).toEqual([{ n: 1 }]);
  });

  test('connections that were lost leave none behind', async () => {
    const client = await CatalogClient.open({ url: database.serviceUrl });
    const sessions = async (): Promise<number> =>
      (await database.admin<{ n: number }[]>`select count(*)::int as n from pg_stat_activity where usename = ${database.login}`)[0]!.n;
    for (let round = 0; round < 5; round++) {
      const asked = Array.from(
        { length: 150 },
        async () => await client.query({ doing: 'asking' }, (sql) => sql`select pg_sleep(0.01)`).catch(() => 0),
      );
      await sleep(20);
      await database.admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${database.login}`;
      await Promise.all(asked);
    }
    expect(await sessions()).toBeLessThanOrEqual(2);
    await client.close();
    const ended = async (): Promise<boolean> => {
      while ((await sessions()) > 0) await sleep(20);
      return true;
    };
    expect(await within(ended(), 20_000)).toBe(true);
  });
});
