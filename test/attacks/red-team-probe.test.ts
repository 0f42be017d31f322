import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, test } from 'vitest';
import { withClient } from '../../src/provision/admin-client.ts';
import { adminUrl } from '../support/server.ts';
import { createShop, type Shop } from '../support/shop/platform.ts';
import { products } from '../support/shop/schema.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await createShop({ lanes: { maxLanes: 1 } as never, tenants: [{ id: 'acme', tier: 'standard' }, { id: 'globex', tier: 'standard' }, { id: 'initech', tier: 'enterprise' }] });
}, 60000);
afterAll(async () => { await shop?.close(); });

async function show(name: string, f: () => PromiseLike<unknown>) {
  try { console.log(name, '=>', JSON.stringify(await f(), (_, v) => typeof v === 'bigint' ? String(v) : v)?.slice(0, 900)); }
  catch (e) { console.log(name, '=> ERR', (e as Error).name, (e as Error).message); }
}
test('probe', async () => {
  const t = shop.tenancy;
  const A = <T,>(f: () => PromiseLike<T>) => t.run('acme', f) as Promise<T>;
  const B = <T,>(f: () => PromiseLike<T>) => t.run('globex', f) as Promise<T>;
  await A(() => t.db.insert(products).values({ sku: 'a-secret', stock: 1, supplierIban: 'DE1' } as never));
  await B(() => t.db.insert(products).values({ sku: 'b-secret', stock: 7 }));

  const db = (await shop.control.tenant('acme')).placement!.database;
  const admin = (q: string) => withClient(adminUrl(db), (c) => c.unsafe(q));
  await admin("set role "+shop.rolePrefix+"_owner; alter table acme.orders add column no bigint generated always as identity; alter table globex.orders add column no bigserial; create schema pool; create table pool.t (tenant_id text not null, v int); ");
  const { installPolicies } = await import('../../src/rls/install-policies.ts');
  const roles = { ownerRole: shop.rolePrefix+'_owner', appRole: shop.rolePrefix+'_app' };
  await withClient(adminUrl(db), async (c) => { await c.unsafe('set role '+shop.rolePrefix+'_owner'); for (const id of ['acme','globex']) await installPolicies(c, { ...roles, schema: id, isolation: 'schema', tenantId: id }); await installPolicies(c, { ...roles, schema: 'pool', isolation: 'row' });});
  await admin("select nextval('acme.orders_no_seq') from generate_series(1,41)");
  await show('B reads pg_sequences', () => B(() => t.sql`select schemaname, sequencename, last_value from pg_sequences`));
  await show('B nextval', () => B(() => t.sql`select nextval('acme.orders_no_seq')`));
  await show('B setval', () => B(() => t.sql`select setval('acme.orders_no_seq', 1)`));
  await show('A orm insert', () => A(async () => { const [p] = await t.db.select().from(products); const { orders } = await import('../support/shop/schema.ts'); await shop.tenancy.sql`select 1`; return t.db.insert(orders).values({ productId: p!.id, quantity: 1, currency: 'USD' }).returning(); }));
  await show('B lastval', () => B(() => t.sql`select lastval()`));
  await show('policies', () => admin("select schemaname, tablename, policyname, roles::text from pg_policies where schemaname in ('pool','reference')"));
  await show('drop owned', () => A(() => t.sql`drop owned by current_user`));
  await show('policies', () => admin("select schemaname, tablename, policyname, roles::text from pg_policies where schemaname in ('pool','reference')"));
  await show('acl', () => admin("select relname, relacl::text from pg_class where relnamespace='globex'::regnamespace and relkind='r'"));
  await show('A reads', () => A(() => t.db.select().from(products)));
  await show('A reads currencies', () => A(() => t.sql`select * from currencies`));
  await show('listen', () => A(() => t.sql`listen x`));
  await show('default privs', () => A(() => t.sql`alter default privileges grant select on tables to public`));
  await show('password', () => A(() => t.sql`alter role current_user password 'known'`));
  await show('rename', () => A(() => t.sql`alter role current_user connection limit 0`));
  await show('create role', () => A(() => t.sql`create role x`));
  await show('load', () => A(() => t.sql`load 'auto_explain'`));
  await show('privs', () => A(() => t.sql`select has_database_privilege(${shop.rolePrefix+'_initech'},'connect') a, has_database_privilege(${shop.rolePrefix+'_catalog'},'connect') b, has_language_privilege('plpgsql','usage') pl`));
  const t2 = await shop.open();
  await show('new service', () => t2.run('globex', () => t2.sql`select 1`));
}, 60000);
