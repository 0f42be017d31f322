import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NotSupportedError, PolicyViolationError } from '../../src/errors.ts';
import { urlFor, withClient } from '../../src/provision/admin-client.ts';
import { closePublicSchema } from '../../src/provision/tenant-database.ts';
import { adminUrl } from '../support/server.ts';
import { createShop, type Shop } from '../support/shop/platform.ts';

/** PostgreSQL counts and samples every tenant's rows, and tells whoever asks: no policy stands before statistics. */
describe('what statistics tell of another tenant', () => {
  let shop: Shop;
  let database: string;
  let twin: string;
  beforeAll(async () => {
    shop = await createShop({
      tenants: [
        { id: 'acme', tier: 'standard' },
        { id: 'globex', tier: 'standard' },
      ],
    });
    database = (await shop.control.tenant('acme')).placement!.database;
    await shop.tenancy.run(
      'globex',
      () =>
        shop.tenancy
          .sql`insert into products (tenant_id, sku, stock) select 'globex', 'sku-' || n, case when n <= 300 then 4111 else n end from generate_series(1, 400) n`,
    );
    twin = `${shop.rolePrefix}_twin`;
    // A login with the same rights, to show what PostgreSQL gives to everybody.
    await inAdmin(`analyze globex.products; create role ${twin} login password 'twin' noinherit; grant connect on database ${database} to ${twin};
      grant usage on schema globex, tenancy to ${twin}; grant select on globex.products to ${twin};
      grant execute on function tenancy.current_tenant_id(), tenancy.require_tenant(text), tenancy.in_maintenance() to ${twin}`);
  });
  afterAll(async () => {
    await shop?.close();
  });

  const inAdmin = async (text: string): Promise<readonly Record<string, unknown>[]> =>
    await withClient(adminUrl(database), async (admin) => await admin.unsafe(text));
  const asTwin = async (text: string): Promise<readonly Record<string, unknown>[]> =>
    await withClient(urlFor(adminUrl(), { database, user: twin, password: 'twin' }), async (sql) => await sql.unsafe(text));
  const asAcme = async (text: string): Promise<unknown> => await shop.tenancy.run('acme', () => shop.tenancy.db.execute(text));

  /** Gives the functions that a text calls back to everybody for as long as a callback runs, as a fresh database has them. */
  async function open<T>(names: string, callback: () => Promise<T>): Promise<T> {
    const list = `select string_agg(oid::regprocedure::text, ', ') as all from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname ~ '${names}'`;
    const [found] = (await inAdmin(list)) as { all: string }[];
    await inAdmin(`grant execute on function ${found!.all} to public`);
    try {
      return await callback();
    } finally {
      await withClient(adminUrl(database), async (admin) => await closePublicSchema(admin, `${shop.rolePrefix}_owner`));
    }
  }

  describe('EXPLAIN', () => {
    const estimate = async (condition: string): Promise<number> => {
      const plan = await asTwin(`explain select from globex.products where ${condition}`);
      return Number(/rows=(\d+)/.exec(String(plan[0]?.['QUERY PLAN']))?.[1]);
    };

    test('control: with no tenant at all, its estimates are a histogram of the other’s values', async () => {
      expect(await asTwin('select from globex.products')).toHaveLength(0);
      // Which value three quarters of the rows have, and where the others end.
      expect(await estimate('stock = 4111')).toBeGreaterThan(100);
      expect(await estimate('stock = 4112')).toBeLessThan(5);
      expect(await estimate('stock between 300 and 400')).toBeGreaterThan(30);
      expect(await estimate('stock between 401 and 4000')).toBeLessThan(5);
    });

    test.each([
      'explain select from globex.products where stock = 4111',
      'explain (analyze, format json) select from globex.products',
      ' /* x */ ;EXPLAIN VERBOSE select from products',
    ])('%s is refused before it is sent', async (text) => {
      await expect(asAcme(text)).rejects.toBeInstanceOf(NotSupportedError);
      await expect(
        shop.tenancy.run('acme', () => shop.tenancy.db.transaction(async (tx) => await tx.execute(text))),
      ).rejects.toBeInstanceOf(NotSupportedError);
    });

    test.each([
      ['inside a statement', 'select * from (explain select from globex.products) x', '42601'],
      ['as a cursor’s query', 'declare c cursor for explain select from globex.products', '42601'],
      ['inside a block', "do $$ begin execute 'explain select from globex.products'; end $$", '42501'],
      ['by a module that logs plans', "load 'auto_explain'", '42501'],
    ])('%s there is no other way in', async (_where, text, sqlState) => {
      await expect(asAcme(text)).rejects.toMatchObject({ sqlState });
    });
  });

  const counters: readonly (readonly [what: string, functions: string, text: string])[] = [
    ['how many rows it has', '^pg_stat_get_', `select pg_stat_get_live_tuples('globex.products'::regclass) as n`],
    [
      'how many rows it wrote',
      '^pg_stat_get_',
      `select n_tup_ins as n from pg_stat_all_tables where schemaname = 'globex' and relname = 'products'`,
    ],
    ['which of its indexes are used', '^pg_stat_get_', `select idx_scan as n from pg_stat_user_indexes where schemaname = 'globex'`],
    ['how big its tables are', '_size$', `select pg_relation_size('globex.products') as n`],
    ['how big its indexes are', '_size$', `select pg_indexes_size('globex.products') as n`],
    ['what sessions run', '^pg_stat_get_', 'select query as n from pg_stat_activity where usename = current_user'],
    ['which tables are in use', '^pg_lock_status$', 'select relation as n from pg_locks'],
    ['who waits for whom', 'blocking_pids$', 'select pg_blocking_pids(1) as n'],
    ['whether a row that it can’t see was changed', '^currtid2$', `select currtid2('globex.products', '(0,1)')::text as n`],
  ];

  test.each(counters)('%s is closed; control: PostgreSQL tells everybody', async (_what, functions, text) => {
    await expect(asAcme(text)).rejects.toBeInstanceOf(PolicyViolationError);
    await expect(asTwin(text)).rejects.toMatchObject({ code: '42501' });
    expect((await open(functions, async () => await asTwin(text))).length).toBeGreaterThan(0);
    await expect(asTwin(text)).rejects.toMatchObject({ code: '42501' });
  });

  test('control: currtid2 follows the updates of a row that no policy shows', async () => {
    await open('^currtid2$', async () => {
      const where = async (): Promise<unknown> => (await asTwin(`select currtid2('globex.products', '(0,1)')::text as at`))[0]?.['at'];
      const before = await where();
      await shop.tenancy.run('globex', () => shop.tenancy.sql`update products set stock = stock + 1 where sku = 'sku-1'`);
      expect(await where()).not.toBe(before);
    });
  });

  test('the owner and monitoring keep what they need', async () => {
    const owner = `${shop.rolePrefix}_owner`;
    expect(
      await inAdmin(`select has_function_privilege('${owner}', 'pg_lock_status()', 'execute') as locks,
        has_function_privilege('pg_monitor', 'pg_stat_get_live_tuples(oid)', 'execute') as rows,
        has_function_privilege('pg_monitor', 'pg_relation_size(regclass, text)', 'execute') as size`),
    ).toEqual([{ locks: true, rows: true, size: true }]);
  });

  describe('sampled values', () => {
    const of = (view: string): string => `select * from ${view} where schemaname = 'globex' and tablename = 'products'`;

    test('pg_stats shows none of a table that policies hold back; control: without them it does', async () => {
      expect(await asAcme(of('pg_stats'))).toHaveLength(0);
      await inAdmin('alter table globex.products no force row level security, disable row level security');
      try {
        expect(JSON.stringify(await asAcme(of('pg_stats')))).toContain('4111');
      } finally {
        await inAdmin('alter table globex.products enable row level security, force row level security');
      }
    });

    test.each(['pg_stats_ext', 'pg_stats_ext_exprs'])('nor does %s; control: it has some to show', async (view) => {
      await inAdmin('create statistics globex.sampled (mcv) on sku, stock, (stock % 7) from globex.products; analyze globex.products');
      try {
        expect(await asAcme(of(view))).toHaveLength(0);
        expect(await inAdmin(of(view))).not.toHaveLength(0);
      } finally {
        await inAdmin('drop statistics globex.sampled');
      }
    });

    test.each(['pg_statistic', 'pg_statistic_ext_data'])('%s itself is the superuser’s', async (table) => {
      await expect(asAcme(`select * from ${table}`)).rejects.toBeInstanceOf(PolicyViolationError);
      expect((await inAdmin(`select from ${table} limit 1`)).length).toBeLessThanOrEqual(1);
    });
  });
});
