import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MigrationError } from '../../../src/errors.ts';
import { installPolicies } from '../../../src/rls/install-policies.ts';
import { countOf, PolicyDatabase, refusalOf } from '../../attacks/policy-database.ts';

const ddl = `
  create table products (tenant_id text not null, id serial, name text, primary key (tenant_id, id));
  create table events (tenant_id text not null, id int not null, primary key (tenant_id, id)) partition by hash (id);
  create table events_0 partition of events for values with (modulus 1, remainder 0);
  create table pgmigrations (id serial primary key, name text);
  create type colour as enum ('red');
  create function shade(colour) returns text language sql immutable as $$ select 'dark ' || $1::text $$;
`;

let db: PolicyDatabase;

beforeAll(async () => {
  db = await PolicyDatabase.open();
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

test('every table, partitioned table and partition is under policies; the runner’s own table is nobody’s to see', async () => {
  await db.asOwner('acme', `create schema acme; set local search_path = acme, pg_temp; ${ddl}`);
  const first = await db.install('acme', 'acme');
  expect(first).toEqual({ tables: ['events', 'products', 'events_0'], changed: ['events', 'products', 'events_0'], warnings: [] });
  const token = db.token('acme');
  expect(countOf(await db.as(token, `insert into acme.products (tenant_id, name) values ('acme', acme.shade('red')) returning id`))).toBe(
    1,
  );
  for (const statement of [
    'select * from acme.pgmigrations',
    `select nextval('acme.pgmigrations_id_seq')`,
    `select setval('acme.products_id_seq', 1)`,
  ]) {
    expect(refusalOf(await db.as(token, statement)), statement).toBe('42501');
  }
});

test('run again it changes nothing, and waits for nobody who reads', async () => {
  const reader = db.client(db.app);
  await reader.begin(async (sql) => {
    await sql`select set_config('tenancy.context', ${db.token('acme')}, true)`;
    await sql`select * from acme.products`;
    // DDL on the table would wait for this transaction.
    await db.ownerSql`set lock_timeout = '2s'`;
    expect(await db.install('acme', 'acme')).toMatchObject({ changed: [] });
    await db.admin`alter table acme.events no force row level security`;
    expect(await db.install('acme', 'acme')).toMatchObject({ changed: ['events'] });
    await db.ownerSql`reset lock_timeout`;
  });
});

test('two at the same time both succeed', async () => {
  await db.admin`alter table acme.products disable row level security`;
  const roles = { ownerRole: db.owner, appRole: db.app };
  const results = await Promise.all(
    [1, 2, 3].map(
      async () => await installPolicies(db.client(db.owner), { schema: 'acme', isolation: 'schema', tenantId: 'acme', ...roles }),
    ),
  );
  expect(results.map(({ changed }) => changed.length).sort()).toEqual([0, 0, 1]);
});

describe('a table that can’t be protected', () => {
  test.each([
    ['has no tenant_id', 'create table acme.bare (id int primary key)'],
    ['has a tenant_id that may be null', 'create table acme.bare (tenant_id text)'],
    ['has a tenant_id of another type', 'create table acme.bare (tenant_id uuid not null)'],
  ])('%s: nothing of the schema is changed', async (_name, create) => {
    await db.asOwner(undefined, `${create}; create table acme.fine (tenant_id text not null, primary key (tenant_id))`);
    const error = await db.install('acme', 'acme').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MigrationError);
    expect(error).toMatchObject({ tenantId: 'acme', message: expect.stringContaining('"acme"."bare"') as string });
    expect(refusalOf(await db.as(db.token('acme'), 'select * from acme.fine'))).toBe('42501');
    await db.asOwner(undefined, 'drop table acme.bare, acme.fine');
  });

  test('is part of a table in another schema', async () => {
    await db.asOwner(
      undefined,
      'create schema aside; create table aside.parent (tenant_id text not null); create table acme.stray () inherits (aside.parent)',
    );
    await expect(db.install('acme', 'acme')).rejects.toThrow('aside.parent');
    await db.asOwner(undefined, 'drop schema aside cascade');
  });
});

test('what a login may not do fails whole, as a MigrationError', async () => {
  await expect(
    installPolicies(db.appSql, { schema: 'acme', isolation: 'schema', tenantId: 'acme', ownerRole: db.owner, appRole: 'nobody' }),
  ).rejects.toThrow(MigrationError);
});

test('a schema that comes to be shared loses the policies of its tenant, and the other way round', async () => {
  await db.asOwner(undefined, 'create schema turned; create table turned.t (tenant_id text not null, primary key (tenant_id))');
  const policies = async () =>
    (await db.admin`select polname::text as name from pg_policy where polrelid = 'turned.t'::regclass order by 1`).map(({ name }) =>
      String(name),
    );
  await db.install('turned', undefined);
  expect(await policies()).toEqual([
    'tenancy_maintenance',
    'tenancy_maintenance_restrictive',
    'tenancy_tenant',
    'tenancy_tenant_restrictive',
  ]);
  await db.install('turned', 'turned');
  expect(await policies()).toEqual(['tenancy_tenant', 'tenancy_tenant_restrictive']);
});

test('a foreign policy and another role’s privileges are left alone and reported', async () => {
  await db.admin.unsafe(
    `create policy loose on turned.t using (false); create role ${db.prefix}_analyst; grant select on turned.t to ${db.prefix}_analyst`,
  );
  const { warnings } = await db.install('turned', 'turned');
  expect(warnings).toEqual([
    'The table turned.t has a policy loose that is not ours.',
    `The role ${db.prefix}_analyst has privileges on turned.t.`,
  ]);
  await db.admin.unsafe(`drop owned by ${db.prefix}_analyst`);
});

test('the context is verified once per statement, however many rows and policies there are', async () => {
  await db.pool(
    'create table many (tenant_id text not null, id int not null, primary key (tenant_id, id)); insert into many select $$t$$ || g % 3, g from generate_series(1, 900) g',
  );
  const plan = async (table: string, tenant: string) =>
    JSON.stringify(
      ((await db.as(db.token(tenant), `explain (analyze, costs off, timing off, summary off) select * from ${table}`)) as { rows: unknown })
        .rows,
    );
  const shared = await plan('pool.many', 't1');
  // One for the context, one for the tenant that it claims.
  expect(shared.match(/InitPlan \d+["( ]/g)!.length).toBeGreaterThanOrEqual(2);
  expect(shared).toContain('One-Time Filter');
  expect(shared.match(/loops=1\)/g)!.length).toBe(shared.match(/loops=/g)!.length);
  const calls = async (): Promise<number> =>
    Number(
      (
        await db.admin`select coalesce(sum(calls), 0)::int as n from pg_stat_user_functions where schemaname = 'tenancy' and funcname = 'verified_context'`
      )[0]!['n'],
    );
  await db.admin.unsafe(`alter database ${db.database} set track_functions = 'pl'`);
  const counted = db.client(db.app);
  // Functions are counted only after they were first called with counting on.
  for (const table of ['pool.many', 'acme.products']) {
    const tenant = table.startsWith('acme') ? 'acme' : 't1';
    const before = await settled(calls);
    for (let i = 0; i < 10; i++) await db.as(db.token(tenant), `select * from ${table}`, counted);
    await counted`select pg_stat_clear_snapshot()`;
    expect((await settled(calls, before + 1)) - before, table).toBe(10);
  }
  await db.admin.unsafe(`alter database ${db.database} reset track_functions`);

  /** Sessions report what they counted now and then: asked until it stays the same. */
  async function settled(ask: () => Promise<number>, atLeast = 0): Promise<number> {
    for (let last = -1, same = 0, tries = 0; tries < 100; tries++) {
      await db.as(undefined, 'select 1', counted);
      const now = await ask();
      same = now === last && now >= atLeast ? same + 1 : 0;
      if (same >= 12) return now;
      last = now;
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
    throw new Error('never settled');
  }
});
