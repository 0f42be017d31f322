import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guardNewTables } from '../../../src/provision/guard-new-tables.ts';
import { createTenantSchema } from '../../../src/provision/tenant-schema.ts';
import type { TenantId } from '../../../src/tenant/tenant-id.ts';
import { countOf, PolicyDatabase, refusalOf } from '../../attacks/policy-database.ts';

let db: PolicyDatabase;

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await createTenantSchema(db.ownerSql, 'acme', 'acme' as TenantId);
  await createTenantSchema(db.ownerSql, 'pool', undefined);
  await db.asOwner(undefined, 'create schema aside');
  await db.admin.unsafe(`grant usage on schema acme, pool, aside, reference to ${db.app}`);
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

const state = async (table: string): Promise<Record<string, unknown>> =>
  (
    await db.admin`
    select relrowsecurity as enabled, relforcerowsecurity as forced, (select json_agg(polname) from pg_policy where polrelid = c.oid) as policies
    from pg_class c where oid = ${table}::regclass`
  )[0]!;
const closed = { enabled: true, forced: true, policies: ['tenancy_unfinished'] };
/** As whoever grants a new table by mistake would. */
const granted = (table: string): string => `grant all on ${table} to ${db.app}`;

test('control: without the guard a new table with a grant shows every row', async () => {
  await db.asOwner(
    'acme',
    `create table acme.early (tenant_id text not null); insert into acme.early values ('acme'); ${granted('acme.early')}`,
  );
  expect(countOf(await db.as(db.token('bolt'), 'select * from acme.early'))).toBe(1);
  await db.asOwner('acme', 'drop table acme.early');
});

describe('with the guard', () => {
  beforeAll(async () => {
    expect(await guardNewTables(db.admin, db)).toBe(true);
    const made = async () => await db.admin`select xmin::text from pg_event_trigger where evtname = 'tenancy_guard_new_tables'`;
    const before = await made();
    expect(await guardNewTables(db.admin, db)).toBe(true);
    expect(await made()).toEqual(before);
  });

  test.each([
    ['create table', 'create table acme.made (tenant_id text not null)'],
    ['create table as', `create table acme.made as select 'acme'::text as tenant_id`],
    ['select into', `select 'acme'::text as tenant_id into acme.made`],
    ['like', 'create table acme.source (tenant_id text not null); create table acme.made (like acme.source including all)'],
    [
      'with a foreign key, a unique key and an identity',
      'create table acme.source (tenant_id text primary key); create table acme.made (tenant_id text not null references acme.source deferrable initially deferred, id int generated always as identity unique)',
    ],
    ['in the pool', 'create table pool.made (tenant_id text not null)'],
    ['a reference table', 'create table reference.made (tenant_id text)'],
  ])('%s: closed to the service login at once, open to the owner that fills it', async (_name, create) => {
    const table = /(?:table|into) (\w+\.made)/.exec(create)![1]!;
    const parent = create.includes('references') ? `insert into acme.source values ('acme');` : '';
    await db.asOwner('acme', `${create}; ${parent} insert into ${table} values ('acme'); ${granted(table)}`);
    expect(await state(table)).toEqual(closed);
    for (const token of [db.token('acme'), db.token('bolt'), undefined])
      expect(countOf(await db.as(token, `select * from ${table}`))).toBe(0);
    expect(refusalOf(await db.as(db.token('acme'), `insert into ${table} values ('acme')`))).toBe('42501');
    await db.asOwner('acme', `drop table ${table}; drop table if exists acme.source`);
  });

  test('partitions too, and what a superuser makes in a replica’s session', async () => {
    await db.asOwner(
      'acme',
      'create table acme.parted (tenant_id text not null) partition by list (tenant_id); create table acme.part partition of acme.parted default',
    );
    expect([await state('acme.parted'), await state('acme.part')]).toEqual([closed, closed]);
    await db.admin.unsafe(
      'set session_replication_role = replica; create table acme.replicated (tenant_id text not null); reset session_replication_role',
    );
    expect(await state('acme.replicated')).toEqual(closed);
    await db.admin.unsafe('drop table acme.parted, acme.replicated');
  });

  test('elsewhere, temporary tables and the runner’s own are left alone', async () => {
    await db.asOwner('acme', 'create table aside.t (id int); create temporary table t (id int); create table acme.pgmigrations (id int)');
    const untouched = { enabled: false, forced: false, policies: null };
    expect([await state('aside.t'), await state('acme.pgmigrations')]).toEqual([untouched, untouched]);
  });

  test('the installation of policies takes its place', async () => {
    await db.asOwner('acme', 'create table acme.made (tenant_id text not null, primary key (tenant_id))');
    await db.install('acme', 'acme');
    expect((await state('acme.made'))['policies']).toEqual(['tenancy_tenant', 'tenancy_tenant_restrictive']);
    expect(countOf(await db.as(db.token('acme'), `insert into acme.made values ('acme')`))).toBe(1);
  });

  test('an administrator who is no superuser leaves it as it is, and says so', async () => {
    await db.admin.unsafe('drop event trigger tenancy_guard_new_tables');
    expect(await guardNewTables(db.ownerSql, db)).toBe(false);
    await db.asOwner('acme', 'create table acme.late (tenant_id text not null)');
    expect(await state('acme.late')).toMatchObject({ enabled: false });
  });
});
