import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countOf, PolicyDatabase, refusalOf } from './policy-database.ts';

const ddl = `
  create table parents (tenant_id text not null, id int not null, primary key (tenant_id, id), unique (id));
  create table good (tenant_id text not null, id int not null, parent int, primary key (tenant_id, id),
    foreign key (tenant_id, parent) references parents (tenant_id, id) on delete cascade);
  create table bad (tenant_id text not null, id int not null, parent int, primary key (tenant_id, id), foreign key (parent) references parents (id) on delete cascade);
  create table codes (tenant_id text not null, id int not null, code text not null, primary key (tenant_id, id), unique (tenant_id, code));
  create table loose_codes (tenant_id text not null, id int not null, code text not null, primary key (tenant_id, id), unique (code));
`;

let db: PolicyDatabase;

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.pool(`${ddl}
    insert into parents values ('acme', 1), ('bolt', 2);
    insert into codes values ('acme', 1, 'secret'); insert into loose_codes values ('acme', 1, 'secret');`);
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

describe('foreign keys', () => {
  test('a child can’t point at another tenant’s parent; control: without tenant_id in the key it can, and it tells what exists', async () => {
    expect(refusalOf(await db.as(db.token('bolt'), `insert into pool.good values ('bolt', 1, 1)`))).toBe('23503');
    expect(countOf(await db.as(db.token('bolt'), `insert into pool.bad values ('bolt', 1, 1)`))).toBe(1);
    expect(refusalOf(await db.as(db.token('bolt'), `insert into pool.bad values ('bolt', 2, 3)`))).toBe('23503');
  });

  test('a delete cascades within the tenant; control: past the key it reaches the other’s rows', async () => {
    await db.as(db.token('acme'), `insert into pool.good values ('acme', 1, 1)`);
    expect(countOf(await db.as(db.token('acme'), 'delete from pool.parents where id = 1'))).toBe(1);
    expect(countOf(await db.as(db.token('acme'), 'select * from pool.good'))).toBe(0);
    expect(countOf(await db.as(db.token('bolt'), 'select * from pool.bad'))).toBe(0);
  });

  test('the installation warns of each key that does not lead with tenant_id', async () => {
    const { warnings } = await db.install('pool', undefined);
    for (const key of ['parents_id_key', 'bad_parent_fkey', 'loose_codes_code_key'])
      expect(
        warnings.filter((warning) => warning.includes(key)),
        key,
      ).toHaveLength(1);
    expect(warnings).toHaveLength(3);
  });
});

describe('unique keys', () => {
  test('tell nothing of another tenant; control: without tenant_id both the error and DO NOTHING do', async () => {
    expect(countOf(await db.wouldMeet(db.token('bolt'), `insert into pool.codes values ('bolt', 9, 'secret')`))).toBe(1);
    expect(
      countOf(await db.wouldMeet(db.token('bolt'), `insert into pool.codes values ('bolt', 9, 'secret') on conflict do nothing`)),
    ).toBe(1);
    expect(refusalOf(await db.wouldMeet(db.token('bolt'), `insert into pool.loose_codes values ('bolt', 9, 'secret')`))).toBe('23505');
    expect(
      countOf(await db.wouldMeet(db.token('bolt'), `insert into pool.loose_codes values ('bolt', 9, 'secret') on conflict do nothing`)),
    ).toBe(0);
    expect(
      countOf(await db.wouldMeet(db.token('bolt'), `insert into pool.loose_codes values ('bolt', 9, 'other') on conflict do nothing`)),
    ).toBe(1);
  });
});

describe('what row-level security does not see', () => {
  test('TRUNCATE is not granted; control: granted, it empties every tenant', async () => {
    expect(refusalOf(await db.wouldMeet(db.token('bolt'), 'truncate pool.codes'))).toBe('42501');
    await db.admin.unsafe(`grant truncate on pool.codes to ${db.app}`);
    const emptied = await db.wouldMeet(db.token('bolt'), 'truncate pool.codes; select 1');
    // The installation takes it back.
    await db.install('pool', undefined);
    expect(countOf(emptied)).toBe(1);
    expect(refusalOf(await db.wouldMeet(db.token('bolt'), 'truncate pool.codes'))).toBe('42501');
  });

  test.each([
    ['a table of the tenant’s own making', 'create table pool.mine (id int)'],
    ['a schema', 'create schema mine'],
    ['a temporary table', 'create temporary table codes (id int)'],
    ['a trigger', 'create trigger t before insert on pool.codes for each row execute function tenancy.refuse_tenant_change()'],
    ['a policy', 'create policy p on pool.codes using (true)'],
    ['row-level security off', 'alter table pool.codes disable row level security'],
    ['the key', 'select * from tenancy.context_keys'],
    ['the verifying function by itself', 'select tenancy.verified_context()'],
    ['the migration ledger', 'select * from tenancy.schema_migrations'],
    ['another role', 'select set_config($$role$$, $$postgres$$, true)'],
  ])('%s is refused', async (_name, statement) => {
    expect(refusalOf(await db.wouldMeet(db.token('acme'), statement))).toMatch(/^42501$/);
  });

  test('row_security = off reads nothing: it is an error', async () => {
    expect(refusalOf(await db.wouldMeet(db.token('acme'), 'set local row_security = off; select * from pool.codes'))).toBe('42501');
  });
});

describe('tenant_id', () => {
  const move = `update pool.codes set tenant_id = 'bolt' where id = 1`;

  test('never changes: neither under the tenant’s context nor in maintenance', async () => {
    expect(refusalOf(await db.wouldMeet(db.token('acme'), move))).toBe('42501');
    await expect(db.asOwner('*', move)).rejects.toMatchObject({ code: '42501' });
  });

  test('control: where a policy saw both tenants, only the trigger would stand in the way', async () => {
    await db.admin.unsafe(
      `drop policy tenancy_tenant_restrictive on pool.codes; drop policy tenancy_tenant on pool.codes; create policy list on pool.codes using (tenant_id in ('acme', 'bolt'))`,
    );
    expect(await db.wouldMeet(db.token('acme'), move)).toMatchObject({
      refused: '42501',
      message: expect.stringContaining('tenant_id of pool.codes') as string,
    });
    await db.admin.unsafe('drop trigger tenancy_tenant_immutable on pool.codes');
    expect(countOf(await db.wouldMeet(db.token('acme'), move))).toBe(1);
    await db.admin.unsafe('drop policy list on pool.codes');
    await db.install('pool', undefined);
  });

  test('can’t be changed by a trigger that fires on another column either', async () => {
    await db.admin.unsafe(`
      create function pool.sneak() returns trigger language plpgsql as $$ begin new.tenant_id := 'bolt'; return new; end $$;
      create trigger a_sneak before update of code on pool.codes for each row execute function pool.sneak()`);
    expect(refusalOf(await db.wouldMeet(db.token('acme'), `update pool.codes set code = 'x'`))).toBe('42501');
    await db.admin.unsafe('drop trigger a_sneak on pool.codes; drop function pool.sneak()');
  });
});
