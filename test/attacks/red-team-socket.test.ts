import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closePublicSchema } from '../../src/provision/tenant-database.ts';
import { contents, MessageSession, messages, refusal } from '../support/message-session.ts';
import { urlOf } from '../support/server.ts';
import { attempt, countOf, PolicyDatabase, refusalOf } from './policy-database.ts';

const ddl = (tenant: string): string =>
  `create table products (tenant_id text not null, id int not null, sku text not null, primary key (tenant_id, id)); insert into products values ('${tenant}', 1, '${tenant}-secret')`;

/** What somebody can send who holds the service's login and its socket, and goes round the library. */
let db: PolicyDatabase;
beforeAll(async () => {
  db = await PolicyDatabase.open();
  await closePublicSchema(db.admin, db.owner);
  await db.tenant('bolt', ddl('bolt'));
  await db.pool(ddl('bolt'));
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

describe('start-up parameters', () => {
  const connect = (connection: Record<string, string>, login = db.app) =>
    postgres(urlOf(login, db.password, db.database), { max: 1, fetch_types: false, onnotice: () => {}, connection: connection as never });
  const met = async (connection: Record<string, string>, text = 'select sku from pool.products'): Promise<string> => {
    const sql = connect(connection);
    try {
      return JSON.stringify(await sql.unsafe(text));
    } catch (error) {
      return (error as postgres.PostgresError).code;
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
  const forged = 'v1:k1:bolt:x:9999999999:0::00';

  test('a context given at login is verified like any other; control: a policy that believes it shows the rows', async () => {
    for (const connection of [{ 'tenancy.context': forged }, { options: `-c tenancy.context=${forged}` }])
      expect(await met(connection)).toBe('42501');
    await db.admin.unsafe(
      `drop policy tenancy_tenant_restrictive on pool.products; alter policy tenancy_tenant on pool.products using (tenant_id = split_part(current_setting('tenancy.context', true), ':', 3))`,
    );
    for (const connection of [{ 'tenancy.context': forged }, { options: `-c tenancy.context=${forged}` }])
      expect(await met(connection)).toContain('bolt-secret');
    await db.install('pool', undefined);
    expect(await met({ 'tenancy.context': forged })).toBe('42501');
  });

  test.each([
    ['another role', { options: '-c role=postgres' }, ['42501', '22023']],
    ['another session user', { options: '-c session_authorization=postgres' }, ['42501', '22023', '55P02']],
    ['to be superuser', { options: '-c is_superuser=on' }, ['55P02']],
    ['triggers at rest', { options: '-c session_replication_role=replica' }, ['42501']],
    ['policies off', { options: '-c row_security=off' }, ['42501']],
    ['a module', { options: '-c session_preload_libraries=auto_explain' }, ['42501']],
    ['a module of its own', { options: '-c local_preload_libraries=auto_explain' }, ['42501', '58P01']],
    ['the stream of changes', { replication: 'database' }, ['42501']],
    ['physical replication', { replication: 'true' }, ['42501']],
  ])('%s is not to be had', async (_what, connection, states) => {
    expect(states).toContain(await met(connection));
  });

  test('control: a superuser gets them, and a login with REPLICATION the stream', async () => {
    await db.admin.unsafe(`create role ${db.prefix}_above superuser login replication password '${db.password}'`);
    const above = async (connection: Record<string, string>, text: string): Promise<string> => {
      const sql = connect(connection, `${db.prefix}_above`);
      try {
        return JSON.stringify(await sql.unsafe(text).simple());
      } finally {
        await sql.end({ timeout: 1 });
      }
    };
    expect(await above({ options: '-c session_replication_role=replica' }, 'show session_replication_role')).toContain('replica');
    expect(await above({ options: '-c row_security=off' }, 'select sku from pool.products')).toContain('bolt-secret');
    expect(await above({ replication: 'database' }, 'IDENTIFY_SYSTEM')).toContain(db.database);
  });
});

describe('messages', () => {
  const open = async (login = db.app) => await MessageSession.open(urlOf(login, db.password, db.database));

  test('a function called by its number needs the same right as in SQL; control: the owner has it', async () => {
    const [{ oid } = { oid: 0 }] = await db.admin<{ oid: number }[]>`select 'tenancy.verified_context()'::regprocedure::int as oid`;
    await using session = await open();
    expect(refusal(await session.exchange(messages.call(oid, [])))).toBe('42501');
    for (const name of [
      'pg_read_file(text)',
      'lo_create(oid)',
      'pg_stat_get_live_tuples(oid)',
      'query_to_xml(text,boolean,boolean,text)',
    ]) {
      const [found] = await db.admin<{ oid: number; n: number }[]>`
        select oid::int as oid, pronargs as n from pg_proc where oid = ${name}::regprocedure`;
      expect(refusal(await session.exchange(messages.call(found!.oid, Array<string>(found!.n).fill('1')))), name).toBe('42501');
    }
    await using owners = await open(db.owner);
    expect(refusal(await owners.exchange(messages.call(oid, [])))).toBeUndefined();
  });

  test('a function called by its number sets a context that is verified all the same', async () => {
    const [{ oid } = { oid: 0 }] = await db.admin<{ oid: number }[]>`select 'current_setting(text)'::regprocedure::int as oid`;
    const [{ set } = { set: 0 }] = await db.admin<{ set: number }[]>`select 'set_config(text,text,boolean)'::regprocedure::int as set`;
    await using session = await open();
    await session.exchange(messages.query('begin'));
    // The third argument is true in text form.
    expect(refusal(await session.exchange(messages.call(set, ['tenancy.context', 'v1:k1:bolt:x:9999999999:0::00', 't'])))).toBeUndefined();
    expect(contents(await session.exchange(messages.call(oid, ['tenancy.context'])))).toContain('bolt');
    expect(refusal(await session.exchange(messages.query('select * from pool.products')))).toBe('42501');
  });

  test('a portal opened under one context is gone with its transaction; control: inside it, it answers', async () => {
    await using session = await open();
    const context = (tenant: string): string => `select set_config('tenancy.context', '${db.token(tenant)}', true)`;
    const opened = await session.exchange(
      messages.parse('kept', 'select sku from pool.products'),
      messages.parse('', context('bolt')),
      messages.bind('', ''),
      messages.execute(''),
      messages.bind('portal', 'kept'),
      messages.execute('portal', 1),
      messages.sync,
    );
    expect(contents(opened)).toContain('bolt-secret');
    expect(refusal(await session.exchange(messages.execute('portal'), messages.sync))).toBe('34000');
    // The statement that stayed prepared is planned for nobody: it runs as whoever runs it.
    const other = await session.exchange(
      messages.parse('', context('acme')),
      messages.bind('', ''),
      messages.execute(''),
      messages.bind('', 'kept'),
      messages.execute(''),
      messages.sync,
    );
    expect(refusal(other)).toBeUndefined();
    expect(contents(other)).not.toContain('bolt-secret');
  });

  test('a context set in a unit that fails in the middle is not there in the next', async () => {
    await using session = await open();
    await session.exchange(
      messages.parse('', `select set_config('tenancy.context', '${db.token('bolt')}', true)`),
      messages.bind('', ''),
      messages.execute(''),
      messages.parse('', 'select 1 / 0'),
      messages.bind('', ''),
      messages.execute(''),
      messages.sync,
    );
    expect(contents(await session.exchange(messages.query('select sku from pool.products')))).toBe('');
    // Control: set for the session, it is there.
    await session.exchange(messages.query(`select set_config('tenancy.context', '${db.token('bolt')}', false)`));
    expect(contents(await session.exchange(messages.query('select sku from pool.products')))).toContain('bolt-secret');
  });
});

describe('commands', () => {
  const own = 'pool.products';
  const commands: readonly string[] = [
    `create statistics pool.st on id, sku from ${own}`,
    `create index on ${own} (sku)`,
    `create rule r as on select to ${own} do instead select 1`,
    `create trigger t before insert on ${own} for each row execute function pg_catalog.suppress_redundant_updates_trigger()`,
    `comment on table ${own} is 'x'`,
    `cluster ${own} using products_pkey`,
    `reindex table ${own}`,
    `alter table ${own} owner to current_user`,
    `alter table ${own} drop constraint products_pkey`,
    `alter policy tenancy_tenant on ${own} using (true)`,
    `alter function tenancy.current_tenant_id() security invoker`,
    `create or replace function tenancy.current_tenant_id() returns text language sql as $$ select 'bolt' $$`,
    'create schema mine',
    'create publication everything for all tables',
    `create operator pool.=== (procedure = pg_catalog.texteq, leftarg = text, rightarg = text)`,
    `create function pool.eq(text, text) returns boolean language sql as 'select true'`,
    'create cast (text as int) with inout',
    'create foreign data wrapper w',
    'create extension dblink schema extensions',
    'create event trigger e on ddl_command_end execute function tenancy.guard_new_table()',
    'create role r',
    `alter role postgres password 'x'`,
    `alter default privileges for role postgres grant select on tables to public`,
    `alter database "DATABASE" set search_path = public`,
    'checkpoint',
    "load 'auto_explain'",
    `select * from pg_create_physical_replication_slot('slot')`,
    `select * from pg_create_logical_replication_slot('slot', 'pgoutput')`,
    `select pg_stat_reset()`,
    `select pg_reload_conf()`,
    `copy (select 1) to program 'true'`,
    `copy (select 1) to '/dev/null'`,
    'grant select on pool.products to public',
    `select setval('pool.counted', 1)`,
    'select last_value from pool.counted',
    `set session authorization postgres`,
    'set role postgres',
    'set session_replication_role = replica',
    `set log_statement = 'all'`,
    'select * from pg_authid',
    'select * from pg_user_mapping',
    'select * from pg_hba_file_rules',
    'select * from pg_file_settings',
    'select * from pg_backend_memory_contexts',
  ];

  test('are the owner’s or a superuser’s: every one is refused, and a superuser meets another answer', async () => {
    await db.admin.unsafe('create sequence pool.counted');
    const wrong: string[] = [];
    for (const command of commands) {
      const text = command.replace('DATABASE', db.database);
      const mine = refusalOf(await attempt(db.appSql, db.token('acme'), text, false));
      // GRANT without a right to grant is a warning where some right is held; it grants nothing.
      if (mine !== '42501' && !(text.startsWith('grant') && mine.startsWith('not refused'))) wrong.push(`${text}: ${mine}`);
      const above = refusalOf(await attempt(db.admin, undefined, text, false));
      if (above === '42501') wrong.push(`control, ${text}: ${above}`);
    }
    await db.admin.unsafe('drop sequence pool.counted');
    expect(wrong).toEqual([]);
    expect(
      await db.admin`select 1 from pg_class c cross join aclexplode(relacl) g where oid = 'pool.products'::regclass and g.grantee = 0`,
    ).toEqual([]);
    expect(countOf(await db.wouldMeet(db.token('bolt'), 'select 1 from pool.products'))).toBe(1);
  });
});
