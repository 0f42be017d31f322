import { createSecretKey, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ContextClaims, signContext } from '../../src/rls/context-token.ts';
import { installContextKey, removeContextKey } from '../../src/rls/install-context-key.ts';
import { countOf, type Outcome, PolicyDatabase, refusalOf } from './policy-database.ts';

const ddl = `create table products (tenant_id text not null, id int not null, primary key (tenant_id, id));`;

let db: PolicyDatabase;

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.pool(`${ddl} insert into products values ('acme', 1), ('bolt', 1), ('bolt', 2);`);
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

const soon = (): number => Math.floor(Date.now() / 1_000) + 60;

/** A context as a service signs it, with whatever is different about it. */
function signed(changes: Partial<ContextClaims> = {}, key = db.key): string {
  return signContext(key, {
    keyId: db.keyId,
    tenantId: 'acme',
    database: db.database,
    audience: db.app,
    expiresAt: soon(),
    backendPid: 0,
    grant: '',
    ...changes,
  });
}

const ask = async (context: string | undefined): Promise<Outcome> =>
  await db.as(context, 'select tenancy.current_tenant_id() as tenant, tenancy.in_maintenance() as maintenance');

async function refusal(context: string): Promise<string> {
  const outcome = await ask(context);
  // Whatever says no to the question also keeps every row back.
  expect(refusalOf(await db.as(context, 'select * from pool.products'))).toBe('42501');
  expect(refusalOf(await db.as(context, `insert into pool.products values ('acme', 9)`))).toBe('42501');
  return 'refused' in outcome ? `${outcome.refused} ${outcome.message}` : JSON.stringify(outcome.rows);
}

const refused = (why: string): string => `42501 tenancy: context refused (${why})`;

describe('a context', () => {
  test('that was signed for this session is its tenant', async () => {
    expect(await ask(signed())).toMatchObject({ rows: [{ tenant: 'acme', maintenance: false }] });
    expect(await ask(signed({ tenantId: 'a' }))).toMatchObject({ rows: [{ tenant: 'a' }] });
    expect(await ask(signed({ grant: 'b3b5a0de-7d54-4c3f-a4fd-0b9d9a3f3c11' }))).toMatchObject({ rows: [{ tenant: 'acme' }] });
    expect(countOf(await db.as(signed({ tenantId: 'bolt' }), 'select * from pool.products'))).toBe(2);
  });

  test('that is not there, or empty, is nobody: no rows, no writes', async () => {
    for (const context of [undefined, '']) {
      expect(await ask(context)).toMatchObject({ rows: [{ tenant: null, maintenance: false }] });
      expect(countOf(await db.as(context, 'select * from pool.products'))).toBe(0);
      expect(refusalOf(await db.as(context, `insert into pool.products values ('acme', 9)`))).toBe('42501');
    }
  });

  test('is for the backend that it was signed for', async () => {
    const [row] = await db.appSql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const bound = signed({ backendPid: row!.pid });
    expect(await ask(bound)).toMatchObject({ rows: [{ tenant: 'acme' }] });
    expect(await db.as(bound, 'select tenancy.current_tenant_id()', db.client(db.app))).toMatchObject({
      message: 'tenancy: context refused (backend)',
    });
    // The control: one that is bound to no backend is good on any, which is why lanes of their own don't use it.
    expect(countOf(await db.as(signed(), 'select tenancy.current_tenant_id()', db.client(db.app)))).toBe(1);
  });

  test('is for 30 seconds longer than it says, for clocks that differ, and no longer', async () => {
    const now = Math.floor(Date.now() / 1_000);
    expect(await ask(signed({ expiresAt: now - 20 }))).toMatchObject({ rows: [{ tenant: 'acme' }] });
    expect(await refusal(signed({ expiresAt: now - 40 }))).toBe(refused('expired'));
    expect(await refusal(signed({ expiresAt: 0 }))).toBe(refused('expired'));
  });

  test('that was signed for another database, login or key is refused', async () => {
    expect(await refusal(signed({ database: 'another' }))).toBe(refused('signature'));
    expect(await refusal(signed({ audience: db.owner }))).toBe(refused('audience'));
    expect(await refusal(signed({ keyId: 'k2' }))).toBe(refused('key'));
    expect(await refusal(signed({}, createSecretKey(randomBytes(32))))).toBe(refused('signature'));
  });

  test.each([
    ['version', 0, 'v2', 'malformed'],
    ['key id', 1, 'k9', 'key'],
    ['key id, emptied', 1, '', 'key'],
    ['tenant', 2, 'bolt', 'signature'],
    ['tenant, made maintenance', 2, '*', 'signature'],
    ['audience', 3, 'postgres', 'signature'],
    ['expiry', 4, '99999999999', 'signature'],
    ['expiry, made text', 4, 'never', 'signature'],
    ['pid', 5, '1', 'signature'],
    ['grant', 6, 'granted', 'signature'],
    ['signature', 7, '0'.repeat(64), 'signature'],
    ['signature, emptied', 7, '', 'signature'],
  ])('whose %s was changed is refused', async (_name, index, value, why) => {
    const parts = signed().split(':');
    parts[index] = value;
    expect(await refusal(parts.join(':'))).toBe(refused(why));
  });

  test('that was cut anywhere is refused', async () => {
    const whole = signed();
    for (let length = 1; length < whole.length; length += 7)
      expect(await refusal(whole.slice(0, length))).toMatch(/^42501 tenancy: context refused \((malformed|signature)\)$/);
    expect(await refusal(whole.slice(0, -1))).toBe(refused('signature'));
  });

  test.each([
    'acme',
    '*',
    ':',
    ':::::::',
    'v1:::::::',
    'v1:k1:acme:::::',
    'v1:k1:acme',
    'null',
    '{}',
    ' ',
    `v1:${'x'.repeat(10_000)}`,
    "v1:k1' or true --:acme:a:1:0::b",
    '🐘:🐘:🐘:🐘:🐘:🐘:🐘:🐘',
  ])('that is no context at all (%s) is refused', async (garbage) => {
    expect(await refusal(garbage)).toMatch(/^42501 tenancy: context refused \((malformed|key|signature)\)$/);
  });

  test('with something in front or behind is refused', async () => {
    expect(await refusal(`${signed()}:`)).toBe(refused('malformed'));
    expect(await refusal(`${signed()}0`)).toBe(refused('signature'));
    expect(await refusal(` ${signed()}`)).toBe(refused('malformed'));
    expect(await refusal(signed().toUpperCase())).toBe(refused('malformed'));
    expect(await refusal(signed().replace(/[0-9a-f]{64}$/, (mac) => mac.toUpperCase()))).toBe(refused('signature'));
  });
});

describe('maintenance', () => {
  test('is the owner’s alone', async () => {
    expect(await refusal(signed({ tenantId: '*' }))).toBe(refused('maintenance'));
    expect(await refusal(signed({ tenantId: '*', audience: db.owner }))).toBe(refused('audience'));
    expect(await db.asOwner('*', 'select tenancy.in_maintenance() as maintenance, tenancy.current_tenant_id() as tenant')).toEqual([
      { maintenance: true, tenant: null },
    ]);
    expect(await db.asOwner('acme', 'select tenancy.in_maintenance() as maintenance')).toEqual([{ maintenance: false }]);
  });

  test('is over all tenants’ rows, and no tenant’s context is', async () => {
    expect(await db.asOwner('*', 'select * from pool.products')).toHaveLength(3);
    expect(await db.asOwner('bolt', 'select * from pool.products')).toHaveLength(2);
    expect(await db.asOwner(undefined, 'select * from pool.products')).toHaveLength(0);
  });
});

describe('another tenant’s schema', () => {
  test('is refused by name', async () => {
    expect(await db.as(signed(), `select tenancy.require_tenant('bolt')`)).toEqual({
      refused: '42501',
      message: 'tenancy: tenant acme may not use rows of tenant bolt',
    });
    expect(await db.as(signed(), `select tenancy.require_tenant('acme') as tenant`)).toMatchObject({ rows: [{ tenant: 'acme' }] });
    expect(await db.as(undefined, `select tenancy.require_tenant('acme') as tenant`)).toMatchObject({ rows: [{ tenant: null }] });
    expect(refusalOf(await db.as('v1:forged', `select tenancy.require_tenant('acme')`))).toBe('42501');
    await expect(db.asOwner('*', `select tenancy.require_tenant('acme')`)).rejects.toMatchObject({
      message: 'tenancy: tenant * may not use rows of tenant acme',
    });
  });
});

describe('keys', () => {
  test('of two generations are understood until the older one is removed', async () => {
    const key = createSecretKey(randomBytes(32));
    const newer = (): string => signed({ keyId: 'k2' }, key);
    expect(await refusal(newer())).toBe(refused('key'));
    await installContextKey(db.ownerSql, { keyId: 'k2', key });
    await installContextKey(db.ownerSql, { keyId: 'k2', key });
    for (const context of [signed(), newer()]) expect(await ask(context)).toMatchObject({ rows: [{ tenant: 'acme' }] });
    // A key signs under its own id only.
    expect(await refusal(signed({ keyId: 'k1' }, key))).toBe(refused('signature'));
    await removeContextKey(db.ownerSql, 'k2');
    expect(await refusal(newer())).toBe(refused('key'));
  });

  test('can be read by their owner only, and an error about them shows nothing', async () => {
    expect(refusalOf(await db.as(signed(), 'select inner_pad from tenancy.context_keys'))).toBe('42501');
    const error = await installContextKey(db.appSql, { keyId: 'k3', key: db.key }).catch((caught: unknown) => caught);
    expect(String(error)).toContain('42501');
    expect((error as Error).cause).toBeUndefined();
  });
});
