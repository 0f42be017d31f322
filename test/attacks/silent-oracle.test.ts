import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withClient } from '../../src/provision/admin-client.ts';
import { adminUrl } from '../support/server.ts';
import { type DatabaseLogins, databaseLogins } from '../support/shop/database-logins.ts';
import { createShop, type Shop } from '../support/shop/platform.ts';
import { poolTiers } from '../support/shop/pool-tier.ts';
import { products } from '../support/shop/schema.ts';

/**
 * What finds out that a key is another tenant's must not tell whoever sits in a tenant's scope: not the caller, not arbitrary SQL of the
 * service's login, not that of the catalog's login.
 */
describe('the probe of silent attempts as an oracle', () => {
  let shop: Shop;
  let logins: DatabaseLogins;
  const theirs = randomUUID();

  beforeAll(async () => {
    shop = await createShop({
      tiers: poolTiers,
      tenants: [
        { id: 'acme', tier: 'pool' },
        { id: 'globex', tier: 'pool' },
      ],
    });
    logins = await databaseLogins(shop, 'acme');
    await shop.tenancy.run('globex', () => shop.tenancy.db.insert(products).values({ id: theirs, sku: 'theirs', stock: 1 }));
    await shop.tenancy.run('acme', () => shop.tenancy.db.insert(products).values({ sku: 'ours', stock: 1 }));
  });
  afterAll(async () => {
    await shop?.close();
  });

  const asService = async <T>(work: (sql: Sql) => Promise<T>): Promise<T> => await withClient(logins.serviceUrl, work);
  const asMonitor = async <T>(work: (sql: Sql) => Promise<T>): Promise<T> => await withClient(adminUrl(logins.placement.database), work);
  const asCatalog = async <T>(work: (sql: Sql) => Promise<T>): Promise<T> => await withClient(shop.serviceCatalogUrl, work);
  const asOwnerOfCatalog = async <T>(work: (sql: Sql) => Promise<T>): Promise<T> =>
    await withClient(adminUrl(`${shop.rolePrefix}_catalog`), work);

  async function ask(id: string): Promise<void> {
    const service = await shop.open({ audit: { silentAttempts: true } });
    try {
      expect(await service.run('acme', () => service.db.select().from(products).where(eq(products.id, id)))).toEqual([]);
    } finally {
      await service.close();
    }
  }

  /** What PostgreSQL counts about the table and its indexes. The service's login may not read it where a superuser closed it, and may elsewhere. */
  const counters = async () =>
    await asMonitor(
      async (sql) =>
        await sql`
      select t.seq_scan, t.seq_tup_read, t.idx_scan, t.idx_tup_fetch, t.n_tup_upd, t.n_tup_ins, t.n_tup_del, i.indexes
      from pg_stat_user_tables t, lateral (
        select json_agg(json_build_array(indexrelname, idx_scan, idx_tup_read, idx_tup_fetch) order by indexrelname) as indexes
        from pg_stat_user_indexes x where x.relid = t.relid) i
      where t.schemaname = ${logins.placement.schema} and t.relname = 'products'`,
    );

  /** What work adds to the counters. They come late: it is over when they moved and then stand still. */
  async function traces(work: () => Promise<unknown>): Promise<readonly number[]> {
    const flat = async (): Promise<readonly number[]> =>
      (JSON.stringify(await counters()).match(/(?<=[:[,]"?)\d+(?="?[,\]}])/g) ?? []).map(Number);
    const settled = async (from?: readonly number[]): Promise<readonly number[]> => {
      for (let last = await flat(); ; ) {
        await sleep(300);
        const now = await flat();
        if (now.join() === last.join() && now.join() !== from?.join()) return now;
        last = now;
      }
    };
    const before = await settled();
    await work();
    const after = await settled(before);
    return after.map((value, index) => value - before[index]!);
  }

  test('statistics of tables and indexes say nothing about the answer', async () => {
    // A session that lies idle reports late: the rows of the set-up first.
    while (Number((await counters())[0]!['n_tup_ins']) < 2) await sleep(300);
    // Control: a look-up by the index of the same keys does.
    const lookUp = async (id: string): Promise<void> => {
      await withClient(logins.owner.url, async (sql) => {
        const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
        await sql`select set_config('tenancy.context', ${logins.owner.signer.signMaintenance(backend!.pid)}, false), set_config('enable_seqscan', 'off', false)`;
        await sql`select from ${sql(logins.placement.schema)}.products where tenant_id = 'globex' and id = ${id}`;
      });
    };
    expect(await traces(() => lookUp(theirs))).not.toEqual(await traces(() => lookUp(randomUUID())));

    const seen: (readonly number[])[] = [];
    const found: number[] = [];
    for (const id of [randomUUID(), theirs]) {
      await ask(id);
      seen.push(await traces(async () => found.push((await shop.control.auditSilentAttempts()).foreign)));
    }
    expect(found).toEqual([0, 1]);
    expect(seen[1]).toEqual(seen[0]);
  });

  beforeEach(async () => {
    await shop.control.auditSilentAttempts();
  });

  test('the number of audit entries says nothing about the answer', async () => {
    const entries = async (): Promise<number> =>
      await asOwnerOfCatalog(async (sql) => Number((await sql<{ n: string }[]>`select count(*) as n from tenancy.audit_log`)[0]!.n));
    const added: number[] = [];
    for (const id of [randomUUID(), theirs]) {
      await ask(id);
      const before = await entries();
      await shop.control.auditSilentAttempts();
      added.push((await entries()) - before);
    }
    expect(added).toEqual([1, 1]);
  });

  test('the service’s login has nothing to ask with', async () => {
    await asService(async (sql) => {
      const functions =
        await sql`select p.oid::regprocedure from pg_proc p where p.proname ~ 'silent|probe|question' and p.pronamespace::regnamespace::text !~ '^pg_'`;
      expect(functions).toEqual([]);
      // Nor does it become what may look: a maintenance context is the owner's, in the owner's own session.
      const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await expect(
        sql`select set_config('tenancy.context', ${logins.owner.signer.signMaintenance(backend!.pid)}, false), tenancy.in_maintenance()`,
      ).rejects.toMatchObject({ code: '42501' });
    });
    const url = new URL(logins.serviceUrl);
    url.pathname = `/${shop.rolePrefix}_catalog`;
    await expect(withClient(url.href, async (sql) => await sql`select 1`)).rejects.toThrow();
  });

  test('the catalog’s login can hand over and nothing else, and what it makes up is not answered', async () => {
    await ask(theirs);
    await asCatalog(async (sql) => {
      for (const statement of [
        'select * from tenancy.silent_questions',
        'select count(*) from tenancy.silent_questions',
        'delete from tenancy.silent_questions',
        `insert into tenancy.silent_questions (sealed) values ('x')`,
        'select * from tenancy.silent_fingerprint_key',
        'select * from tenancy.audit_log',
      ]) {
        await expect(sql.unsafe(statement), statement).rejects.toMatchObject({ code: '42501' });
      }
      const [answer] = await sql`select tenancy.ask_silent(${Buffer.from('made up')})`;
      expect(Object.values(answer!)).toEqual([null]);
    });
    expect(await shop.control.auditSilentAttempts()).toMatchObject({ asked: 1, foreign: 1, forged: 1 });
  });

  test('what waits holds no key that can be read', async () => {
    await ask(theirs);
    await asOwnerOfCatalog(async (sql) => {
      const rows = await sql<{ sealed: Buffer }[]>`select sealed from tenancy.silent_questions`;
      expect(rows).toHaveLength(1);
      expect(rows[0]!.sealed.includes(theirs)).toBe(false);
      expect(rows[0]!.sealed.includes('products')).toBe(false);
    });
  });

  test('batches that nobody answers do not fill the catalog', async () => {
    await asOwnerOfCatalog(async (sql) => {
      await sql`insert into tenancy.silent_questions (sealed) select 'x' from generate_series(1, 10001)`;
      const count = async (): Promise<unknown> => (await sql`select count(*)::int as n from tenancy.silent_questions`)[0]!['n'];
      expect(await count()).toBe(10_001);
      const full = await asCatalog(async (catalog) => await catalog`select tenancy.ask_silent('x')`);
      expect(await count()).toBe(10_001);
      // Control: with room it is taken.
      await sql`delete from tenancy.silent_questions`;
      expect(await asCatalog(async (catalog) => await catalog`select tenancy.ask_silent('x')`)).toEqual(full);
      expect(await count()).toBe(1);
      await sql`delete from tenancy.silent_questions`;
    });
  });
});
