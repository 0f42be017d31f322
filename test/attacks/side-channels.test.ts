import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closePublicSchema } from '../../src/provision/tenant-database.ts';
import { countOf, type Outcome, PolicyDatabase } from './policy-database.ts';

/**
 * What stays open in a shared cluster, as docs/threat-model.md says: each is seen here, so that the page stays true. One that fails has been
 * closed, by us or by PostgreSQL, and its line goes.
 */
describe('what a tenant’s raw SQL still sees of its neighbours', () => {
  let db: PolicyDatabase;
  beforeAll(async () => {
    db = await PolicyDatabase.open();
    await closePublicSchema(db.admin, db.owner);
    const ddl =
      'create table products (tenant_id text not null, id bigint generated always as identity, sku text not null, primary key (tenant_id, id))';
    await db.tenant('acme', ddl);
    await db.tenant('bolt', `${ddl}; insert into products (tenant_id, sku) select 'bolt', n from generate_series(1, 70) n`);
    await db.pool(ddl);
    await db.admin.unsafe('analyze');
  });
  afterAll(async () => {
    await db?.[Symbol.asyncDispose]();
  });

  const asAcme = async (text: string): Promise<Outcome> => await db.as(db.token('acme'), text);
  const rowsOf = async (text: string): Promise<readonly Record<string, unknown>[]> => {
    const outcome = await asAcme(text);
    countOf(outcome);
    return (outcome as { rows: readonly Record<string, unknown>[] }).rows;
  };
  const insert = async (tenant: string): Promise<{ id: number; place: number }> => {
    const outcome = await db.as(
      db.token(tenant),
      `insert into pool.products (tenant_id, sku) values ('${tenant}', 'x') returning id::int, split_part(trim('()' from ctid::text), ',', 2)::int as place`,
    );
    countOf(outcome);
    return (outcome as unknown as { rows: { id: number; place: number }[] }).rows[0]!;
  };

  test('names of schemas, tables, columns and policies', async () => {
    expect(await rowsOf(`select c.relname::text as name from pg_class c where c.oid = to_regclass('bolt.products')`)).toEqual([
      { name: 'products' },
    ]);
    expect(await rowsOf(`select 1 as n from pg_policies where schemaname = 'bolt' limit 1`)).toHaveLength(1);
  });

  test('how many rows a table had when it was last analysed', async () => {
    expect(await rowsOf(`select reltuples::int as n from pg_class where oid = to_regclass('bolt.products')`)).toEqual([{ n: 70 }]);
  });

  test('in a shared table, by gaps in one’s own numbers and places: how many rows others made meanwhile', async () => {
    const before = await insert('acme');
    for (let time = 0; time < 3; time++) await insert('bolt');
    const after = await insert('acme');
    expect(after.id - before.id).toBe(4);
    expect(after.place - before.place).toBe(4);
  });

  test('how many transactions all tenants have made, and how much they wrote', async () => {
    const at = async (): Promise<number> => Number((await rowsOf(`select txid_current()::text as n`))[0]?.['n']);
    const before = await at();
    for (let time = 0; time < 3; time++) await insert('bolt');
    expect((await at()) - before).toBeGreaterThanOrEqual(4);
    expect(await rowsOf('select pg_current_wal_lsn() is not null as told')).toEqual([{ told: true }]);
  });

  test('what others notify, on any channel', async () => {
    const heard: string[] = [];
    const listener = db.client(db.app);
    await listener.listen('gossip', (payload) => heard.push(payload));
    await asAcme(`select pg_notify('gossip', 'from acme')`);
    await expect.poll(() => heard).toEqual(['from acme']);
  });

  test('advisory locks that others hold, by trying them', async () => {
    const holder = db.client(db.app);
    await holder`select pg_advisory_lock(4711)`;
    expect(await rowsOf('select pg_try_advisory_xact_lock(4711) as free, pg_try_advisory_xact_lock(4712) as other')).toEqual([
      { free: false, other: true },
    ]);
  });

  test('names of databases and roles of the whole server', async () => {
    expect((await rowsOf('select datname from pg_database')).length).toBeGreaterThan(1);
    expect(await rowsOf(`select rolname::text as name from pg_roles where rolname = '${db.owner}'`)).toHaveLength(1);
  });

  test('on a connection of its own, past the lanes: EXPLAIN’s estimates from the values of others', async () => {
    expect(JSON.stringify(await rowsOf(`explain select from bolt.products where tenant_id = 'bolt'`))).toContain('rows=70');
  });
});
