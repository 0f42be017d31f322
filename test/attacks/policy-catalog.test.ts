import { randomBytes, randomUUID } from 'node:crypto';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applySqlSet } from '../../src/sql/sql-set.ts';
import { adminClient, createDatabase, uniquePrefix, urlOf } from '../support/server.ts';
import { attempt, countOf, type Outcome, refusalOf } from './policy-database.ts';

const prefix = uniquePrefix();
const [owner, catalog, password] = [`${prefix}_owner`, `${prefix}_catalog`, randomBytes(12).toString('hex')];
let database: AsyncDisposable;
let admin: Sql;
let ownerSql: Sql;
let service: Sql;

beforeAll(async () => {
  const server = adminClient();
  for (const role of [owner, catalog]) await server.unsafe(`create role ${role} login password '${password}' nosuperuser noinherit`);
  database = await createDatabase(`${prefix}_catalog`);
  await server.unsafe(`alter database ${prefix}_catalog owner to ${owner}`);
  await server.end();
  const client = (login: string): Sql =>
    postgres(urlOf(login, password, `${prefix}_catalog`), { max: 1, fetch_types: false, onnotice: () => {} });
  admin = adminClient(`${prefix}_catalog`);
  ownerSql = client(owner);
  service = client(catalog);
  await applySqlSet(ownerSql, 'catalog', { owner, catalog });
  await ownerSql.unsafe(`
    insert into tenancy.tenants (id, name, tier, region, data_residency, status, config) values ('acme', 'Acme', 'standard', 'eu', '{eu}', 'active', '{}'), ('bolt', 'Bolt', 'standard', 'eu', '{eu}', 'active', '{}');
    insert into tenancy.clusters values ('c1', 'eu', 'h', 5432, 'tenancy', false, false, 5, 'disable');
    insert into tenancy.placements values ('acme', 'c1', 'd', 'acme', 'schema', 1, ''), ('bolt', 'c1', 'd', 'pool', 'row', 1, '');
    insert into tenancy.owner_credentials values ('c1', 'd', 'o', 'sealed')`);
});
afterAll(async () => {
  for (const sql of [service, ownerSql, admin]) await sql?.end({ timeout: 1 });
  await database?.[Symbol.asyncDispose]();
  const server = adminClient();
  await server.unsafe(`drop role if exists ${catalog}; drop role if exists ${owner}`);
  await server.end();
});

const asService = async (text: string): Promise<Outcome> => await attempt(service, undefined, text);
const asOwner = async (text: string): Promise<Outcome> => await attempt(ownerSql, undefined, text);
const entry = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  id: randomUUID(),
  at: '2026-01-01T00:00:00.000Z',
  action: 'residency',
  outcome: 'refused',
  tenant_id: 'acme',
  detail: { n: 1 },
  ...changes,
});
const append = async (...entries: Record<string, unknown>[]) =>
  await service`select tenancy.append_audit(${service.json(entries as never)}) as n`;

describe('a service’s login', () => {
  test.each(['tenants', 'clusters', 'placements', 'keks', 'data_keys', 'context_masters', 'service_credentials', 'schema_migrations'])(
    'reads %s and can’t write it',
    async (table) => {
      expect('rows' in (await asService(`select * from tenancy.${table}`))).toBe(true);
      for (const write of [
        `delete from tenancy.${table}`,
        `insert into tenancy.${table} select * from tenancy.${table}`,
        `truncate tenancy.${table}`,
      ])
        expect(refusalOf(await asService(write)), write).toBe('42501');
    },
  );

  test.each([
    'owner_credentials',
    'audit_log',
    'audit_writers',
    'audit_chain_start',
    'migrations_ledger',
    'silent_questions',
    'silent_fingerprint_key',
  ])('sees nothing of %s; control: granted, it does', async (table) => {
    expect(refusalOf(await asService(`select * from tenancy.${table}`))).toBe('42501');
    await admin.unsafe(`grant select on tenancy.${table} to ${catalog}`);
    expect('rows' in (await asService(`select * from tenancy.${table}`))).toBe(true);
    await admin.unsafe(`revoke select on tenancy.${table} from ${catalog}`);
  });

  test('can call no function but those that append, and those through which a process is known', async () => {
    const functions = await admin<
      { call: string }[]
    >`select p.oid::regprocedure::text as call from pg_proc p where pronamespace = 'tenancy'::regnamespace and has_function_privilege(${catalog}, p.oid, 'execute') order by 1`;
    expect(functions.map(({ call }) => call)).toEqual([
      'tenancy.append_audit(jsonb)',
      'tenancy.ask_silent(bytea)',
      'tenancy.end_process(uuid)',
      'tenancy.keep_process(jsonb)',
      'tenancy.keys_shredded_at(text)',
      'tenancy.register_audit_writer(jsonb)',
    ]);
  });
});

describe('the audit log', () => {
  test('keeps entries in order, once each, with who wrote them', async () => {
    const [one, two] = [entry({ actor: 'ü' }), entry({ outcome: 'allowed' })];
    expect(await append(one, two)).toEqual([{ n: 2 }]);
    expect(await append(one, entry(), two)).toEqual([{ n: 1 }]);
    const rows = await admin`select id, actor, outcome, recorded_by from tenancy.audit_log order by seq`;
    expect(rows.slice(0, 2)).toEqual([
      { id: one['id'], actor: 'ü', outcome: 'refused', recorded_by: catalog },
      { id: two['id'], actor: null, outcome: 'allowed', recorded_by: catalog },
    ]);
    expect(await append()).toEqual([{ n: 0 }]);
  });

  test('another entry can’t hide behind an id that is taken', async () => {
    const first = entry();
    await append(first);
    await expect(append({ ...first, outcome: 'allowed' })).rejects.toMatchObject({ code: '23505' });
    await expect(append({ ...first, tenant_id: 'bolt' })).rejects.toMatchObject({ code: '23505' });
  });

  test.each([{ outcome: 'whatever' }, { id: null }, { action: '' }, { at: null }, { detail: [] }])(
    'an entry with %j is refused whole',
    async (changes) => {
      const good = entry();
      await expect(append(good, entry(changes))).rejects.toMatchObject({ code: expect.stringMatching(/^23/) as string });
      expect(await admin`select from tenancy.audit_log where id = ${String(good['id'])}`).toHaveLength(0);
    },
  );

  test.each([
    `update tenancy.audit_log set outcome = 'allowed'`,
    'delete from tenancy.audit_log',
    'delete from tenancy.audit_log where false',
    'truncate tenancy.audit_log',
  ])('%s is refused, also to its owner and in a replica’s session', async (change) => {
    expect(refusalOf(await asOwner(change))).toBe('42501');
    expect(refusalOf(await attempt(admin, undefined, `set local session_replication_role = replica; ${change}`))).toBe('42501');
  });

  test.each([
    `update tenancy.audit_writers set provider = 'x'`,
    'delete from tenancy.audit_writers',
    'truncate tenancy.audit_writers',
    'update tenancy.audit_chain_start set last_seq = 9',
    'delete from tenancy.audit_chain_start',
    'truncate tenancy.audit_chain_start',
    'insert into tenancy.audit_chain_start (single, last_seq) values (true, 9)',
  ])('%s is refused as well: by it the chains are checked', async (change) => {
    expect(refusalOf(await asOwner(change))).toBe('42501');
    expect(refusalOf(await attempt(admin, undefined, `set local session_replication_role = replica; ${change}`))).toBe('42501');
    expect(refusalOf(await asService(change))).toBe('42501');
  });

  test('a writer’s key is kept once; another under its id is refused', async () => {
    const writer = { id: randomUUID(), provider: 'p', key_ref: 'k', key_version: null, wrapped: 'aa', started_at: '2026-01-01T00:00:00Z' };
    const register = async (row: object) => await service`select tenancy.register_audit_writer(${service.json(row as never)})`;
    await register(writer);
    await register(writer);
    await expect(register({ ...writer, wrapped: 'bb' })).rejects.toMatchObject({ code: '23505' });
    expect(await admin`select encode(wrapped, 'hex') as wrapped, registered_by from tenancy.audit_writers where id = ${writer.id}`).toEqual(
      [{ wrapped: 'aa', registered_by: catalog }],
    );
  });

  test('a link is whole or absent', async () => {
    const link = { writer: randomUUID(), writer_seq: 1, previous_mac: '00'.repeat(32), mac: '11'.repeat(32) };
    await append(entry(link));
    for (const broken of [{ mac: null }, { writer_seq: null }, { mac: '11' }, { writer_seq: 0 }]) {
      await expect(append(entry({ ...link, ...broken })), JSON.stringify(broken)).rejects.toMatchObject({ code: '23514' });
    }
  });

  test('control: without the trigger its owner changes it', async () => {
    expect(
      countOf(
        await attempt(
          ownerSql,
          undefined,
          `alter table tenancy.audit_log disable trigger audit_log_kept; update tenancy.audit_log set outcome = 'allowed'`,
          false,
        ),
      ),
    ).toBeGreaterThan(0);
  });
});

describe('tenants', () => {
  test.each([
    'delete from tenancy.tenants',
    'truncate tenancy.tenants cascade',
    `update tenancy.tenants set id = 'other' where id = 'bolt'`,
  ])('%s is refused to the owner: an id never comes to mean somebody else', async (change) => {
    expect(refusalOf(await asOwner(change))).toBe('42501');
  });

  test('an offboarded one never comes back', async () => {
    const back = `update tenancy.tenants set status = 'active' where id = 'acme'`;
    expect(
      refusalOf(await attempt(ownerSql, undefined, `update tenancy.tenants set status = 'offboarded' where id = 'acme'; ${back}`)),
    ).toBe('42501');
  });

  test.each(['Acme', '1a', 'a_b', '', 'a'.repeat(49), 'a;b', '*'])('%j is no id', async (id) => {
    expect(
      refusalOf(
        await asOwner(
          `insert into tenancy.tenants (id, name, tier, region, data_residency, status, config) values ('${id}', 'n', 't', 'eu', '{eu}', 'active', '{}')`,
        ),
      ),
    ).toBe('23514');
  });

  test('live in a region that they allow', async () => {
    expect(refusalOf(await asOwner(`update tenancy.tenants set region = 'us' where id = 'acme'`))).toBe('23514');
  });
});

describe('placements', () => {
  test('no two tenants have one schema, unless it is a pool for both', async () => {
    const place = (
      schema: string,
      isolation: string,
    ): string => `insert into tenancy.tenants select 'carl', 'n', tier, region, data_residency, status, config from tenancy.tenants where id = 'acme';
      insert into tenancy.placements values ('carl', 'c1', 'd', '${schema}', '${isolation}', 1, '')`;
    expect(refusalOf(await attempt(ownerSql, undefined, place('acme', 'schema'), false))).toBe('23505');
    expect(refusalOf(await attempt(ownerSql, undefined, place('acme', 'row'), false))).toBe('23505');
    expect(refusalOf(await attempt(ownerSql, undefined, place('pool', 'schema'), false))).toBe('23505');
    expect(countOf(await attempt(ownerSql, undefined, place('pool', 'row'), false))).toBe(1);
    expect(countOf(await attempt(ownerSql, undefined, place('carl', 'schema'), false))).toBe(1);
  });

  test('an epoch never goes back', async () => {
    expect(refusalOf(await asOwner(`update tenancy.placements set epoch = 0 where tenant_id = 'acme'`))).toMatch(/^(42501|23514)$/);
    expect(
      refusalOf(
        await attempt(
          ownerSql,
          undefined,
          `update tenancy.placements set epoch = 5 where tenant_id = 'acme'; update tenancy.placements set epoch = 4 where tenant_id = 'acme'`,
          false,
        ),
      ),
    ).toBe('42501');
  });
});

test('every change is announced: a tenant’s by its id, what concerns everybody by *', async () => {
  const heard: string[] = [];
  const listener = postgres(urlOf(catalog, password, `${prefix}_catalog`), { max: 1, fetch_types: false, onnotice: () => {} });
  await listener.listen('tenancy_catalog', (payload) => {
    heard.push(payload);
  });
  const announced = async (text: string): Promise<string[]> => {
    heard.length = 0;
    await ownerSql.unsafe(text);
    // What is announced later was also committed later: when this arrives, all has.
    await ownerSql`select pg_notify('tenancy_catalog', 'last')`;
    while (!heard.includes('last'))
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
    return [...new Set(heard)].filter((payload) => payload !== 'last').sort();
  };
  expect(await announced(`update tenancy.tenants set name = 'x' where id = 'bolt'`)).toEqual(['bolt']);
  expect(await announced(`update tenancy.placements set schema_version = 'x'`)).toEqual(['acme', 'bolt']);
  expect(await announced(`update tenancy.clusters set max_lanes = 6`)).toEqual(['*']);
  expect(
    await announced(
      `insert into tenancy.keks (id, provider, key_ref, region, protection, tenant_id, state) values (gen_random_uuid(), 'p', 'k', 'eu', 'software', null, 'active')`,
    ),
  ).toEqual(['*']);
  expect(
    await announced(
      `insert into tenancy.data_keys (tenant_id, purpose, version, kek_id, provider, key_ref, wrapped, state) select 'acme', 'data', 1, id, 'p', 'k', 'w', 'active' from tenancy.keks`,
    ),
  ).toEqual(['acme']);
  expect(await announced(`delete from tenancy.data_keys`)).toEqual(['acme']);
  expect(await announced(`insert into tenancy.context_masters (key_id, provider, key_ref, wrapped) values ('k1', 'p', 'k', 'w')`)).toEqual([
    '*',
  ]);
  expect(await announced(`insert into tenancy.service_credentials values ('c1', 'd', 'l', 's')`)).toEqual(['*']);
  expect(
    await announced(
      `insert into tenancy.migrations_ledger (cluster_id, database, schema, migration, checksum) values ('c1', 'd', 's', 'm', 'c')`,
    ),
  ).toEqual([]);
  await listener.end();
});
