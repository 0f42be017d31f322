import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CatalogDatabase, createCatalogDatabase } from './catalog-database.ts';

const readable = ['tenants', 'clusters', 'placements', 'keks', 'data_keys', 'context_masters', 'service_credentials', 'schema_migrations'];
const hidden = [
  'owner_credentials',
  'audit_log',
  'migrations_ledger',
  'key_notices',
  'processes',
  'key_rotations',
  'key_shreds',
  'certificate_keys',
];

let database: CatalogDatabase;
let service: Sql;

beforeAll(async () => {
  database = await createCatalogDatabase();
  service = postgres(database.serviceUrl, { max: 1, onnotice: () => {}, fetch_types: false });
  await database.admin`
    insert into tenancy.tenants (id, name, tier, region, data_residency, status, config) values ('acme', 'Acme', 'standard', 'us-east-1', '{us-east-1}', 'active', '{}')`;
});

afterAll(async () => {
  await service?.end();
  await database?.[Symbol.asyncDispose]();
});

const codeOf = async (statement: string, sql: Sql = service): Promise<string | undefined> =>
  await sql.unsafe(statement).then(
    () => undefined,
    (error: { code?: string }) => error.code ?? 'unknown',
  );

describe('the catalog’s service login', () => {
  test.each(readable)('reads %s', async (table) => {
    expect(await codeOf(`select * from tenancy.${table}`)).toBeUndefined();
  });

  test.each(hidden)('can’t read %s, which its owner can', async (table) => {
    expect(await codeOf(`select * from tenancy.${table}`, database.admin)).toBeUndefined();
    expect(await codeOf(`select * from tenancy.${table}`)).toBe('42501');
    expect(await codeOf(`select count(*) from tenancy.${table}`)).toBe('42501');
  });

  test.each([...readable, ...hidden])('writes nothing to %s', async (table) => {
    const [column] = await database.admin<{ name: string }[]>`
      select attname as name from pg_attribute where attrelid = ${`tenancy.${table}`}::regclass and attnum = 1`;
    for (const statement of [
      `insert into tenancy.${table} default values`,
      `update tenancy.${table} set ${column!.name} = null`,
      `delete from tenancy.${table}`,
      `truncate tenancy.${table}`,
      `alter table tenancy.${table} disable trigger user`,
      `drop table tenancy.${table}`,
    ]) {
      expect([statement, await codeOf(statement)]).toEqual([statement, '42501']);
    }
  });

  test('makes nothing of its own in the catalog', async () => {
    for (const statement of [
      'create table tenancy.mine (x int)',
      'create table public.mine (x int)',
      'create temp table mine (x int)',
      'create schema mine',
      'create function tenancy.mine() returns int language sql as $$ select 1 $$',
      'create role mine',
    ]) {
      expect([statement, await codeOf(statement)]).toEqual([statement, '42501']);
    }
  });

  test('is no owner, no superuser, and member of nothing', async () => {
    const [role] = await database.admin`
      select rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication as powerful,
        exists (select from pg_auth_members where member = r.oid) as member
      from pg_roles r where rolname = ${database.login}`;
    expect(role).toEqual({ powerful: false, member: false });
  });
});
