import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countOf, PolicyDatabase, refusalOf } from './policy-database.ts';

const ddl = 'create table products (tenant_id text not null, id int not null, primary key (tenant_id, id));';
const setting = `current_setting('tenancy.context', true)`;

let db: PolicyDatabase;

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.pool(`${ddl} insert into products values ('acme', 1), ('bolt', 1), ('bolt', 2);`);
  // The control of every attack here: a policy that trusts a plain setting, on the same rows.
  await db.admin.unsafe(`
    create schema naive; grant usage on schema naive to ${db.app};
    create table naive.products as select * from pool.products;
    alter table naive.products enable row level security;
    create policy plain on naive.products using (tenant_id = split_part(${setting}, ':', 3));
    grant select, insert on naive.products to ${db.app}`);
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

/** Acme's context with bolt's name in it. */
const forged = (): string => db.token('acme').replace(':acme:', ':bolt:');

describe('a context that the statement itself forges', () => {
  test.each([
    [
      'set_config in a where',
      (table: string) => `select * from ${table} where set_config('tenancy.context', '${forged()}', true) is not null`,
    ],
    [
      'set_config in a subselect',
      (table: string) =>
        `select * from (select set_config('tenancy.context', '${forged()}', true) offset 0) f cross join lateral (select * from ${table} where f is not null) p`,
    ],
    [
      'set_config in a statement before',
      (table: string) => `select set_config('tenancy.context', '${forged()}', true); select * from ${table}`,
    ],
    ['SET LOCAL in a statement before', (table: string) => `set local tenancy.context = '${forged()}'; select * from ${table}`],
    [
      'set_config in a CTE',
      (table: string) =>
        `with f as materialized (select set_config('tenancy.context', '${forged()}', true)) select p.* from f, lateral (select * from ${table} where f is not null) p`,
    ],
  ])('%s reads nothing of the other tenant; control: a plain setting believes it', async (name, statement) => {
    const believed = await db.as(db.token('acme'), statement('naive.products'));
    if (name.includes('where') || name.includes('subselect') || name.includes('CTE')) expect(countOf(believed)).toBeGreaterThan(0);
    else expect(believed).toMatchObject({ rows: [{ tenant_id: 'bolt' }, { tenant_id: 'bolt' }] });
    const outcome = await db.as(db.token('acme'), statement('pool.products'));
    // A context is read once, before the forgery or after it: either way there is no row of bolt's.
    if ('refused' in outcome) expect(outcome.refused).toBe('42501');
    else expect(outcome.rows.map((row) => row['tenant_id'])).not.toContain('bolt');
    if (name.includes('before')) expect(refusalOf(outcome)).toBe('42501');
  });
});

describe('a context of one’s own', () => {
  test('is refused after its time; control: within it, it holds', async () => {
    const signedAt = (secondsAgo: number): string => db.signer(db.app, () => Date.now() - secondsAgo * 1_000).sign('acme', 0);
    expect(countOf(await db.as(signedAt(100), 'select * from pool.products'))).toBe(1);
    expect(await db.as(signedAt(200), 'select * from pool.products')).toEqual({
      refused: '42501',
      message: 'tenancy: context refused (expired)',
    });
  });

  test('grows old within a transaction, statement by statement', async () => {
    const old = db.client(db.app);
    const soonOver = db.signer(db.app, () => Date.now() - 149_000).sign('acme', 0);
    const outcome = await old
      .begin(async (sql) => {
        await sql`select set_config('tenancy.context', ${soonOver}, true)`;
        const before = await sql`select * from pool.products`;
        await sql`select pg_sleep(2.5)`;
        const after = await sql`select * from pool.products`.catch((error: { message: string }) => error.message);
        return [before.length, after];
      })
      .catch((error: unknown) => error);
    expect(outcome).toMatchObject({ message: 'tenancy: context refused (expired)' });
  });

  test('taken from another session is no good on this backend', async () => {
    const thief = db.client(db.app);
    const [row] = await db.appSql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const bound = db.signer().sign('bolt', row!.pid);
    expect(countOf(await db.as(bound, 'select * from pool.products'))).toBe(2);
    expect(await db.as(bound, 'select * from pool.products', thief)).toEqual({
      refused: '42501',
      message: 'tenancy: context refused (backend)',
    });
  });

  test('of a tenant does not reach another login of the server', async () => {
    await db.admin.unsafe(`create role ${db.prefix}_other login password '${db.password}'; grant connect on database ${db.database} to ${db.prefix}_other;
      grant usage on schema pool, tenancy to ${db.prefix}_other; grant select on pool.products to ${db.prefix}_other; grant execute on function tenancy.current_tenant_id() to ${db.prefix}_other`);
    expect(await db.as(db.token('bolt'), 'select * from pool.products', db.client(`${db.prefix}_other`))).toEqual({
      refused: '42501',
      message: 'tenancy: context refused (audience)',
    });
    await db.admin.unsafe(`drop owned by ${db.prefix}_other`);
  });
});

describe('what a session keeps', () => {
  test('an earlier transaction’s context is empty, not NULL, and neither shows a row', async () => {
    const session = db.client(db.app);
    expect(countOf(await db.as(db.token('acme'), 'select * from pool.products', session))).toBe(1);
    const after = await db.as(undefined, `select ${setting} as context, (select count(*)::int from pool.products) as n`, session);
    expect(after).toMatchObject({ rows: [{ context: '', n: 0 }] });
    const fresh = await db.as(undefined, `select ${setting} as context, (select count(*)::int from pool.products) as n`, db.client(db.app));
    expect(fresh).toMatchObject({ rows: [{ context: null, n: 0 }] });
  });

  test('a login that sets its own context for the sessions to come gets nothing of it; control: a plain setting believes it', async () => {
    const own = await db.as(undefined, `alter role ${db.app} set tenancy.context = '${forged()}'`);
    // PostgreSQL lets a login change its own settings; later versions may not.
    if ('refused' in own) await db.admin.unsafe(`alter role ${db.app} set tenancy.context = '${forged()}'`);
    const next = db.client(db.app);
    expect(countOf(await db.as(undefined, 'select * from naive.products', next))).toBe(2);
    expect(await db.as(undefined, 'select * from pool.products', next)).toEqual({
      refused: '42501',
      message: 'tenancy: context refused (signature)',
    });
    expect(countOf(await db.as(db.token('acme'), 'select * from pool.products', next))).toBe(1);
    await db.admin.unsafe(`alter role ${db.app} reset all`);
  });
});

describe('another role', () => {
  test.each([
    ['the owner', () => db.owner],
    ['a superuser', () => 'postgres'],
  ])('%s can’t be become', async (_name, role) => {
    expect(refusalOf(await db.as(db.token('acme'), `set local role ${role()}`))).toBe('42501');
    expect(refusalOf(await db.as(db.token('acme'), `select set_config('role', '${role()}', true)`))).toBe('42501');
    expect(refusalOf(await db.as(db.token('acme'), `set session authorization ${role()}`))).toBe('42501');
  });

  test('control: as a member of the owner it becomes the owner, and drops the policies', async () => {
    await db.admin.unsafe(`grant ${db.owner} to ${db.app}`);
    const outcome = await db.wouldMeet(
      undefined,
      `set local role ${db.owner}; alter table pool.products no force row level security; select * from pool.products`,
    );
    await db.admin.unsafe(`revoke ${db.owner} from ${db.app}`);
    expect(countOf(outcome)).toBe(3);
  });
});
