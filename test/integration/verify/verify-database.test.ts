import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { guardNewTables } from '../../../src/provision/guard-new-tables.ts';
import { closePublicSchema } from '../../../src/provision/tenant-database.ts';
import { installReferencePolicies } from '../../../src/rls/install-policies.ts';
import { verifyDatabase } from '../../../src/verify/catalog-checks.ts';
import type { VerifiedSchema } from '../../../src/verify/database-check.ts';
import type { Finding } from '../../../src/verify/finding.ts';
import { PolicyDatabase } from '../../attacks/policy-database.ts';

const ddl = `
  create table products (tenant_id text not null, id serial, sku text not null, primary key (tenant_id, id), unique (tenant_id, sku));
  create table stock (tenant_id text not null, product int not null, amount int not null, primary key (tenant_id, product),
    foreign key (tenant_id, product) references products (tenant_id, id));
  create table events (tenant_id text not null, id int not null, primary key (tenant_id, id)) partition by hash (tenant_id, id);
  create table events_0 partition of events for values with (modulus 1, remainder 0);
  create table pgmigrations (id serial primary key, name text, run_on timestamp);
`;

let db: PolicyDatabase;
const restore: string[] = [];

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await closePublicSchema(db.admin, db.owner);
  await guardNewTables(db.admin, db);
  await db.asOwner(undefined, 'create table reference.currencies (code text primary key)');
  await installReferencePolicies(db.ownerSql, { ownerRole: db.owner, appRole: db.app });
  await db.tenant('acme', `${ddl} alter table stock add currency text references reference.currencies (code)`);
  await db.pool(ddl);
});
afterEach(async () => {
  for (const sql of restore.splice(0).reverse()) await db.admin.unsafe(sql);
  await db.install('acme', 'acme');
  await db.install('pool', undefined);
  await installReferencePolicies(db.ownerSql, { ownerRole: db.owner, appRole: db.app });
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

const schemas: readonly VerifiedSchema[] = [
  { schema: 'acme', isolation: 'schema', tenantId: 'acme' },
  { schema: 'pool', isolation: 'row' },
];

async function verify(sql = db.ownerSql): Promise<{ findings: readonly Finding[]; checked: number }> {
  return await verifyDatabase(sql, { clusterId: 'local', database: db.database, ownerRole: db.owner, appRole: db.app, schemas });
}

async function idsAfter(sabotage: string, undo?: string): Promise<readonly string[]> {
  await db.admin.unsafe(sabotage);
  if (undo !== undefined) restore.push(undo);
  const { findings } = await verify();
  for (const { id, location, message, remedy } of findings) {
    expect(id).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(location).toContain(`local/${db.database}`);
    expect([message, remedy].every((text) => text.length > 10)).toBe(true);
  }
  return findings.map(({ id }) => id);
}

test('a database as provisioning makes it has no finding, and much was looked at', async () => {
  const { findings, checked } = await verify();
  expect(findings).toEqual([]);
  expect(checked).toBeGreaterThan(60);
  expect((await verify(db.admin)).findings).toEqual([]);
});

describe('what is wrong is found', () => {
  const app = (sql: string): string => sql.replaceAll('APP', db.app).replaceAll('OWNER', db.owner).replaceAll('DATABASE', db.database);
  const sabotages: readonly (readonly [id: string, sabotage: string, undo?: string | undefined])[] = [
    ['rls-disabled', 'alter table acme.products disable row level security'],
    ['rls-disabled', 'alter table pool.events_0 disable row level security'],
    ['rls-disabled', 'alter table reference.currencies disable row level security'],
    ['rls-not-forced', 'alter table pool.products no force row level security'],
    ['policy-missing', 'drop policy tenancy_tenant on acme.products'],
    ['policy-missing', 'drop policy tenancy_tenant_restrictive on pool.products'],
    ['policy-missing', 'drop policy tenancy_maintenance on pool.products'],
    ['policy-changed', 'alter policy tenancy_tenant on pool.products using (true)'],
    ['policy-changed', 'alter policy tenancy_tenant on acme.products with check (true)'],
    ['policy-changed', 'alter policy tenancy_maintenance on pool.products to public'],
    [
      'policy-changed',
      `drop policy tenancy_tenant on acme.products; create policy tenancy_tenant on acme.products using (tenant_id = 'bolt')`,
    ],
    ['policy-unknown', 'create policy loose on acme.products using (true)', 'drop policy loose on acme.products'],
    ['policy-unknown', 'create policy loose on reference.currencies using (true)', 'drop policy loose on reference.currencies'],
    ['no-tenant-id', 'create table acme.bare (id int); alter table acme.bare owner to OWNER', 'drop table acme.bare'],
    ['tenant-id-mutable', 'alter table acme.products disable trigger tenancy_tenant_immutable'],
    ['tenant-id-mutable', 'drop trigger tenancy_tenant_immutable on pool.stock'],
    ['foreign-owner', 'alter table acme.products owner to postgres', 'alter table acme.products owner to OWNER'],
    ['schema-missing', 'alter schema acme rename to gone', 'alter schema gone rename to acme'],
    ['key-not-tenant-leading', 'create unique index loose on pool.products (sku)', 'drop index pool.loose'],
    ['key-not-tenant-leading', 'create unique index loose on pool.products (sku, tenant_id)', 'drop index pool.loose'],
    [
      'foreign-key-not-tenant-leading',
      'create unique index loose on acme.products (id); alter table acme.stock add constraint loose foreign key (product) references acme.products (id)',
      'alter table acme.stock drop constraint loose; drop index acme.loose',
    ],
    [
      'foreign-key-leaves-schema',
      'alter table acme.stock add constraint away foreign key (tenant_id, product) references pool.products (tenant_id, id)',
      'alter table acme.stock drop constraint away',
    ],
    [
      'key-not-valid',
      'alter table acme.stock add constraint unchecked foreign key (tenant_id, product) references acme.products (tenant_id, id) not valid',
      'alter table acme.stock drop constraint unchecked',
    ],
    ['grant-excess', 'grant truncate on acme.products to APP'],
    ['grant-excess', 'grant select on acme.products to public'],
    ['grant-excess', 'grant select on acme.pgmigrations to APP'],
    ['grant-excess', 'grant update (sku) on acme.products to public'],
    ['grant-excess', 'grant insert on reference.currencies to APP'],
    ['context-keys-readable', 'grant select on tenancy.context_keys to APP', 'revoke all on tenancy.context_keys from APP'],
    [
      'context-keys-readable',
      'grant select (inner_pad) on tenancy.context_keys to public',
      'revoke all on tenancy.context_keys from public',
    ],
    ['schema-grant-excess', 'grant create on schema acme to APP'],
    ['schema-grant-excess', 'grant usage on schema public to public', 'revoke usage on schema public from public'],
    ['database-grant-excess', 'grant temporary on database DATABASE to public', 'revoke temporary on database DATABASE from public'],
    ['database-grant-excess', 'grant create on database DATABASE to APP', 'revoke create on database DATABASE from APP'],
    [
      'default-privileges',
      'alter default privileges for role OWNER in schema acme grant select on tables to APP',
      'alter default privileges for role OWNER in schema acme revoke select on tables from APP',
    ],
    ['view-not-invoker', 'create view acme.plain as select * from acme.products', 'drop view acme.plain'],
    ['view-not-invoker', 'create view public.plain as select * from acme.products', 'drop view public.plain'],
    ['materialised-view', 'create materialized view acme.kept as select 1 as x', 'drop materialized view acme.kept'],
    [
      'definer-search-path',
      `create function acme.loose() returns int language sql security definer as 'select 1'`,
      'drop function acme.loose()',
    ],
    [
      'definer-search-path',
      `create function acme.loose() returns int language sql security definer set search_path = acme as 'select 1'`,
      'drop function acme.loose()',
    ],
    ['routine-grant-excess', `create function acme.open() returns int language sql as 'select 1'`, 'drop function acme.open()'],
    [
      'routine-grant-excess',
      'grant execute on function tenancy.verified_context() to APP',
      'revoke execute on function tenancy.verified_context() from APP',
    ],
    ['login-refused', 'alter role APP bypassrls', 'alter role APP nobypassrls'],
    ['login-refused', 'alter role APP createrole', 'alter role APP nocreaterole'],
    ['login-membership', 'grant pg_read_all_settings to APP', 'revoke pg_read_all_settings from APP'],
    ['owner-above-policies', 'alter role OWNER bypassrls', 'alter role OWNER nobypassrls'],
    ['role-setting', `alter role APP set tenancy.context = 'x'`, 'alter role APP reset all'],
    ['role-setting', 'alter database DATABASE set search_path = public', 'alter database DATABASE reset all'],
    [
      'database-outdated',
      `update tenancy.schema_migrations set name = 'x' || name where name = '0001_context'`,
      `update tenancy.schema_migrations set name = substr(name, 2) where name like 'x%'`,
    ],
    ['language-open', 'grant usage on language plpgsql to public', 'revoke usage on language plpgsql from public'],
    [
      'function-open',
      'grant execute on function query_to_xml(text, boolean, boolean, text) to APP',
      'revoke execute on function query_to_xml(text, boolean, boolean, text) from APP',
    ],
    [
      'function-open',
      'grant execute on function pg_terminate_backend(int, bigint) to public',
      'revoke execute on function pg_terminate_backend(int, bigint) from public',
    ],
    ['function-open', 'grant execute on function pg_read_file(text) to APP', 'revoke execute on function pg_read_file(text) from APP'],
    [
      'function-open',
      'grant execute on function pg_stat_get_live_tuples(oid) to public',
      'revoke execute on function pg_stat_get_live_tuples(oid) from public',
    ],
    ['function-open', 'grant execute on function currtid2(text, tid) to APP', 'revoke execute on function currtid2(text, tid) from APP'],
    [
      'new-tables-unguarded',
      'alter event trigger tenancy_guard_new_tables disable',
      'alter event trigger tenancy_guard_new_tables enable always',
    ],
    [
      'guard-changed',
      'alter function tenancy.guard_new_table() owner to OWNER',
      'alter function tenancy.guard_new_table() owner to postgres',
    ],
    ['extension-open', 'create extension dblink schema extensions', 'drop extension dblink'],
    ['extension-open', 'create extension tablefunc schema extensions', 'drop extension tablefunc'],
    ['extension-open', 'create extension pgrowlocks schema extensions', 'drop extension pgrowlocks'],
    [
      'foreign-server',
      'create extension file_fdw schema tenancy; create server loose foreign data wrapper file_fdw; grant usage on foreign server loose to APP',
      'drop server loose; drop extension file_fdw',
    ],
    [
      'function-leakproof',
      `create function extensions.quick(text) returns boolean language sql immutable leakproof as 'select true'`,
      'drop function extensions.quick(text)',
    ],
    ['publication', 'create publication everything for all tables', 'drop publication everything'],
    ['rule', 'create rule copied as on insert to acme.products do also notify inserted', 'drop rule copied on acme.products'],
    ['index-not-leakproof', 'create index loose on pool.products using gin (to_tsvector($$simple$$, sku))', 'drop index pool.loose'],
    [
      'index-not-leakproof',
      'alter table acme.stock add price numeric; create index loose on acme.stock (price)',
      'alter table acme.stock drop price',
    ],
    ['index-not-leakproof', 'create index loose on acme.products (sku text_pattern_ops)', 'drop index acme.loose'],
    ['large-objects', `select lo_create(4711); alter large object 4711 owner to APP`, 'select lo_unlink(4711)'],
  ];

  for (const [id, sabotage, undo] of sabotages) {
    test(`${id}: ${sabotage}`, async () => {
      expect(await idsAfter(app(sabotage), undo === undefined ? undefined : app(undo))).toContain(id);
    });
  }

  test('parameter-grant: a superuser’s setting that the login may change, which PostgreSQL 15 and later can give', async () => {
    const [server] = await db.admin<{ major: number }[]>`select current_setting('server_version_num')::int / 10000 as major`;
    if (server!.major < 15) await expect(db.admin.unsafe(app('grant set on parameter session_replication_role to APP'))).rejects.toThrow();
    else
      expect(
        await idsAfter(
          app('grant set on parameter session_replication_role to APP'),
          app('revoke set on parameter session_replication_role from APP'),
        ),
      ).toContain('parameter-grant');
  });

  test('an extension that reaches nowhere, or that the login may not use, is no finding', async () => {
    expect(
      await idsAfter(
        'create extension citext schema extensions; create extension dblink schema tenancy; revoke execute on all functions in schema tenancy from public',
        'drop extension citext; drop extension dblink',
      ),
    ).toEqual([]);
  });

  test('function-changed: a replaced function, which every policy would trust', async () => {
    const [row] = await db.admin<{ def: string }[]>`select pg_get_functiondef('tenancy.current_tenant_id()'::regprocedure) as def`;
    expect(
      await idsAfter(
        `create or replace function tenancy.current_tenant_id() returns text language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp
      as $$ begin return 'acme'; end $$`,
        row!.def,
      ),
    ).toContain('function-changed');
  });

  test('the installation mends what it made: after the sabotage there is no finding again', async () => {
    await db.admin.unsafe(
      app(`
      alter table pool.products no force row level security; drop policy tenancy_tenant on acme.products; alter policy tenancy_tenant on pool.products using (true);
      alter table acme.products disable trigger tenancy_tenant_immutable; grant all on acme.products to APP, public; grant update (amount) on acme.stock to public;
      grant all on schema acme to APP, public; grant all on all sequences in schema acme to public; create policy tenancy_maintenance on acme.stock using (true)`),
    );
    expect((await verify()).findings.length).toBeGreaterThan(8);
    await db.install('acme', 'acme');
    await db.install('pool', undefined);
    expect((await verify()).findings).toEqual([]);
  });
});

test('an index that row-level security leaves in use is no finding', async () => {
  expect(
    await idsAfter(
      'create index plain on acme.products (sku); create index led on pool.products (tenant_id, (sku::numeric)); create index hashed on pool.products using hash (id)',
      'drop index acme.plain, pool.led, pool.hashed',
    ),
  ).toEqual([]);
});

test('what only older servers can’t do, or others leak, is known by their release', async () => {
  const { patchFindings } = await import('../../../src/verify/foundation-check.ts');
  expect(patchFindings('x', 15, 8).map(({ id, severity }) => [id, severity])).toEqual([['server-patch-level', 'error']]);
  expect(patchFindings('x', 16, 9).map(({ severity }) => severity)).toEqual(['warning']);
  expect([patchFindings('x', 14, 19), patchFindings('x', 18, 0), patchFindings('x', 17, 6)]).toEqual([[], [], []]);
  expect(patchFindings('x', 13, 22).map(({ severity }) => severity)).toEqual(['error']);
});
