import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { countOf, PolicyDatabase, refusalOf } from './policy-database.ts';

const ddl = 'create table products (tenant_id text not null, id int not null, name text, primary key (tenant_id, id));';
const rows = (tenant: string): string => `insert into products select '${tenant}', g, 'name ' || g from generate_series(1, 3) g;`;

let db: PolicyDatabase;
const restore: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.tenant('acme', ddl + rows('acme'));
  await db.tenant('bolt', ddl + rows('bolt'));
  await db.pool(ddl + rows('acme') + rows('bolt'));
});
afterEach(async () => {
  for (const action of restore.splice(0).reverse()) await action();
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

/** Changes something as superuser for one test, then installs the policies again. */
async function sabotage(sql: string, undo = ''): Promise<void> {
  restore.push(async () => {
    if (undo !== '') await db.admin.unsafe(undo);
    await db.install('pool', undefined);
    await db.install('acme', 'acme');
  });
  await db.admin.unsafe(sql);
}

describe.each([
  ['a shared table', 'pool.products', true],
  ['a table of one tenant’s own', 'acme.products', false],
])('%s', (_name, table, shared) => {
  test('shows a tenant its own rows, and no others to anybody', async () => {
    expect(countOf(await db.as(db.token('acme'), `select * from ${table}`))).toBe(3);
    for (const context of [undefined, '']) {
      expect(countOf(await db.as(context, `select * from ${table}`))).toBe(0);
      expect(countOf(await db.as(context, `update ${table} set name = 'x'`))).toBe(0);
      expect(countOf(await db.as(context, `delete from ${table}`))).toBe(0);
      expect(refusalOf(await db.as(context, `insert into ${table} values ('acme', 9, 'x')`))).toBe('42501');
    }
    const other = await db.as(db.token('bolt'), `select * from ${table} where tenant_id = 'acme'`);
    if (shared || db.major < 18) expect(countOf(other)).toBe(0);
    else expect(refusalOf(other)).toBe('42501');
    expect(refusalOf(await db.as(db.token('bolt'), `insert into ${table} values ('acme', 9, 'x')`))).toBe('42501');
  });

  test('a second permissive policy lets nothing through; control: without the restrictive one it opens everything', async () => {
    await sabotage(`create policy loose on ${table} using (true) with check (true)`, `drop policy loose on ${table}`);
    const reach = async (): Promise<string> => {
      const outcome = await db.as(db.token('bolt'), `select * from ${table} where tenant_id = 'acme'`);
      return 'refused' in outcome ? outcome.refused : String(outcome.count);
    };
    expect(await reach()).toBe(shared || db.major < 18 ? '0' : '42501');
    expect(countOf(await db.as(undefined, `select * from ${table}`))).toBe(0);
    expect(refusalOf(await db.as(undefined, `insert into ${table} values ('acme', 9, 'x')`))).toBe('42501');
    await db.admin.unsafe(`drop policy tenancy_tenant_restrictive on ${table}`);
    expect(countOf(await db.as(undefined, `select * from ${table}`))).toBe(shared ? 6 : 3);
  });

  test('the restrictive policy dropped opens nothing; the permissive one dropped shows nothing', async () => {
    await sabotage(`drop policy tenancy_tenant_restrictive on ${table}`);
    expect(countOf(await db.as(undefined, `select * from ${table}`))).toBe(0);
    expect(countOf(await db.as(db.token('acme'), `select * from ${table} where tenant_id = 'acme'`))).toBe(3);
    expect(refusalOf(await db.as(db.token('bolt'), `insert into ${table} values ('acme', 9, 'x')`))).toBe('42501');
    await db.install('pool', undefined);
    await db.install('acme', 'acme');
    await db.admin.unsafe(`drop policy tenancy_tenant on ${table}`);
    expect(countOf(await db.as(db.token('acme'), `select * from ${table}`))).toBe(0);
  });

  test('WITH CHECK holds: control: with (true) another tenant’s row is written', async () => {
    const write = `insert into ${table} values ('acme', 77, 'planted')`;
    expect(refusalOf(await db.as(db.token('bolt'), write))).toBe('42501');
    await sabotage(
      `drop policy tenancy_tenant_restrictive on ${table}; alter policy tenancy_tenant on ${table} with check (true)`,
      `delete from ${table} where id = 77`,
    );
    expect(countOf(await db.as(db.token('bolt'), write))).toBe(1);
  });

  test('the owner is under its own policies; control: not forced, it reads every row', async () => {
    expect(await db.asOwner(undefined, `select * from ${table}`)).toHaveLength(0);
    expect(await db.asOwner('acme', `select * from ${table}`)).toHaveLength(3);
    await sabotage(`alter table ${table} no force row level security`);
    expect(await db.asOwner(undefined, `select * from ${table}`)).toHaveLength(shared ? 6 : 3);
  });

  test('a policy with IS NULL OR opens to whoever has no context: it is not how ours are written', async () => {
    await sabotage(
      `
      drop policy tenancy_tenant_restrictive on ${table}; drop policy tenancy_tenant on ${table};
      create policy naive on ${table} using (current_setting('tenancy.context', true) is null or tenant_id = 'nobody')`,
      `drop policy naive on ${table}`,
    );
    const fresh = db.client(db.app);
    expect(countOf(await db.as(undefined, `select * from ${table}`, fresh))).toBe(shared ? 6 : 3);
    await db.as('', 'select 1', fresh);
    // The same session, once a transaction has set it: '' is not NULL, and the answer differs.
    expect(countOf(await db.as(undefined, `select * from ${table}`, fresh))).toBe(0);
  });
});

test('a definer function of the owner’s is under policies too: a second permissive policy opens nothing to it', async () => {
  await db.asOwner(
    '*',
    `create function pool.everything() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from pool.products'`,
  );
  await db.install('pool', undefined);
  restore.push(async () => await db.admin.unsafe('drop function pool.everything()'));
  await sabotage('create policy loose on pool.products using (true)', 'drop policy loose on pool.products');
  const ask = async (context: string | undefined) => await db.as(context, 'select pool.everything()::int as n');
  expect(await ask(undefined)).toMatchObject({ rows: [{ n: 0 }] });
  expect(await ask(db.token('acme'))).toMatchObject({ rows: [{ n: 3 }] });
  await db.admin.unsafe('drop policy tenancy_maintenance_restrictive on pool.products');
  expect(await ask(undefined)).toMatchObject({ rows: [{ n: 6 }] });
});
