import { createHash } from 'node:crypto';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { AbortedError, CatalogError, ConfigurationError } from '../../../src/errors.ts';
import { type SqlFile, sqlFiles } from '../../../src/sql/sql-files.ts';
import { applySqlSet } from '../../../src/sql/sql-set.ts';
import { adminUrl, createDatabase, uniquePrefix } from '../../support/server.ts';

const driver = { max: 1, fetch_types: false, onnotice: () => {} } as const;
const values = { owner: 'postgres' };
const file = (name: string, text: string): SqlFile => ({ name, text, checksum: createHash('sha256').update(text).digest('hex') });
const first = file(
  '0001_first',
  `create schema tenancy; create table tenancy.schema_migrations (name text primary key, checksum text not null, applied_at timestamptz not null default now());
  alter schema tenancy owner to {{owner}}`,
);
const second = file('0002_second', 'create table tenancy.things (id int) -- ends in a comment');

const made: AsyncDisposable[] = [];
const clients: Sql[] = [];
let sql: Sql;
let url: string;

function client(): Sql {
  const opened = postgres(url, driver);
  clients.push(opened);
  return opened;
}

beforeEach(async () => {
  const database = await createDatabase(`${uniquePrefix()}_sets`);
  made.push(database);
  url = adminUrl(database.name);
  sql = client();
});
afterAll(async () => {
  for (const opened of clients) await opened.end({ timeout: 1 });
  for (const database of made) await database[Symbol.asyncDispose]();
});

const apply = async (files: readonly SqlFile[], on = sql, signal?: AbortSignal) =>
  await applySqlSet(on, 'database', values, { files, signal });
const tables = async (): Promise<string[]> =>
  (await sql`select tablename::text as name from pg_tables where schemaname = 'tenancy' order by 1`).map(({ name }) => String(name));

test('files are applied in order, once each, and later ones when they come', async () => {
  expect(await apply([first])).toEqual(['0001_first']);
  expect(await apply([first, second])).toEqual(['0002_second']);
  expect(await apply([first, second])).toEqual([]);
  expect(await sql`select name, checksum from tenancy.schema_migrations order by name`).toEqual([
    { name: '0001_first', checksum: first.checksum },
    { name: '0002_second', checksum: second.checksum },
  ]);
});

test('all or none: when a file fails, nothing of the set is kept', async () => {
  const error = await apply([first, second, file('0003_third', 'select 1/0')]).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(CatalogError);
  expect(String(error)).toContain('22012');
  expect(await tables()).toEqual([]);
  expect(await apply([first, second])).toEqual(['0001_first', '0002_second']);
});

test('several at the same time apply it once', async () => {
  const all = await Promise.all([1, 2, 3, 4].map(async () => await apply([first, second], client())));
  expect(all.map((names) => names.length).sort()).toEqual([0, 0, 0, 2]);
});

test('an applied file that was changed is refused, as is a database that is newer', async () => {
  await apply([first, second]);
  await expect(apply([first, file('0002_second', 'create table tenancy.others (id int)')])).rejects.toThrow(/0002_second.*another content/);
  await expect(apply([first])).rejects.toThrow(/0002_second.*does not know/);
  expect(await tables()).toEqual(['schema_migrations', 'things']);
});

test('a placeholder without a value, or a value without a placeholder, is refused before anything is sent', async () => {
  await expect(applySqlSet(sql, 'database', {}, { files: [first] })).rejects.toThrow(ConfigurationError);
  await expect(applySqlSet(sql, 'database', { ...values, app: 'x' }, { files: [first] })).rejects.toThrow(ConfigurationError);
  expect(await tables()).toEqual([]);
});

test('the wait for another process ends when it is told to', async () => {
  const other = client();
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let began = (): void => {};
  const holding = new Promise<void>((resolve) => {
    began = resolve;
  });
  const { advisoryLockKey } = await import('../../../src/sql/advisory-lock.ts');
  const holder = other.begin(async (transaction) => {
    await transaction`select pg_advisory_xact_lock(${advisoryLockKey('sql-set', 'database')}::bigint)`;
    began();
    await held;
  });
  await holding;
  await expect(apply([first], sql, AbortSignal.timeout(200))).rejects.toThrow(AbortedError);
  const waiting = apply([first]);
  release();
  await holder;
  expect(await waiting).toEqual(['0001_first']);
});

describe('the shipped sets', () => {
  test.each([
    ['database', { owner: 'o', app: 'a' }],
    ['catalog', { owner: 'o', catalog: 'c' }],
  ] as const)('%s installs for an owner without privileges, grants PUBLIC nothing, and is done when run again', async (set, names) => {
    const prefix = uniquePrefix();
    const roles = Object.fromEntries(Object.entries(names).map(([key, name]) => [key, `${prefix}_${name}`]));
    for (const role of Object.values(roles)) await sql.unsafe(`create role ${role} nosuperuser`);
    await sql.unsafe(`grant create on database ${new URL(url).pathname.slice(1)} to ${roles['owner']}; set role ${roles['owner']}`);
    expect(await applySqlSet(sql, set, roles)).toEqual(sqlFiles(set).map(({ name }) => name));
    expect(await applySqlSet(sql, set, roles)).toEqual([]);
    await sql`reset role`;
    const open = await sql`
      select p.proname::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where n.nspname in ('tenancy', 'reference', 'extensions') and a.grantee = 0
      union all select n.nspname from pg_namespace n cross join lateral aclexplode(n.nspacl) a where n.nspname in ('tenancy', 'reference', 'extensions') and a.grantee = 0
      union all select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join lateral aclexplode(c.relacl) a where n.nspname = 'tenancy' and a.grantee = 0`;
    expect(open).toEqual([]);
    for (const role of Object.values(roles)) await sql.unsafe(`drop owned by ${role} cascade; drop role ${role}`);
  });
});
