import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countOf, PolicyDatabase, refusalOf } from './policy-database.ts';

const ddl = `
  create table products (tenant_id text not null, id int not null, primary key (tenant_id, id));
  create table events (tenant_id text not null, id int not null, primary key (tenant_id, id)) partition by list (tenant_id);
  create table events_rest partition of events default;
  create table base (tenant_id text not null, id int not null);
  create table child () inherits (base);
`;
const rows = (tenant: string): string =>
  ['products', 'events', 'base', 'child'].map((table) => `insert into ${table} values ('${tenant}', 1);`).join('');

let db: PolicyDatabase;

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.pool(ddl + rows('acme') + rows('bolt'));
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

describe('partitions and inheritance', () => {
  test.each(['events', 'events_rest', 'base', 'child'])(
    '%s shows a tenant its own rows, read through the parent or directly',
    async (table) => {
      const own = table === 'base' ? 2 : 1;
      expect(countOf(await db.as(db.token('acme'), `select * from pool.${table}`))).toBe(own);
      expect(countOf(await db.as(undefined, `select * from pool.${table}`))).toBe(0);
    },
  );

  test('control: a partition and a child without policies of their own show every tenant’s rows', async () => {
    for (const table of ['events_rest', 'child']) {
      await db.admin.unsafe(`alter table pool.${table} disable row level security`);
      expect(countOf(await db.as(undefined, `select * from pool.${table}`)), table).toBe(2);
    }
    expect((await db.install('pool', undefined)).changed).toEqual(['child', 'events_rest']);
    expect(countOf(await db.as(undefined, 'select * from pool.events_rest'))).toBe(0);
  });

  test('a new table, copied with everything, comes without policies: services don’t see it until they stand', async () => {
    await db.asOwner(
      '*',
      `create table pool.copied (like pool.products including all); insert into pool.copied values ('acme', 1), ('bolt', 1)`,
    );
    expect(refusalOf(await db.as(db.token('acme'), 'select * from pool.copied'))).toBe('42501');
    await db.admin.unsafe(`grant select on pool.copied to ${db.app}`);
    expect(countOf(await db.as(undefined, 'select * from pool.copied'))).toBe(2);
    expect((await db.install('pool', undefined)).changed).toEqual(['copied']);
    expect(countOf(await db.as(undefined, 'select * from pool.copied'))).toBe(0);
    expect(countOf(await db.as(db.token('acme'), 'select * from pool.copied'))).toBe(1);
  });
});

describe('views', () => {
  test('a view that runs as its owner is not granted; control: where that owner escapes policies, it shows every tenant’s rows', async () => {
    await db.asOwner('*', 'create view pool.plain as select * from pool.products');
    const { warnings } = await db.install('pool', undefined);
    expect(warnings.filter((warning) => warning.includes('pool.plain'))).toHaveLength(1);
    expect(refusalOf(await db.as(db.token('acme'), 'select * from pool.plain'))).toBe('42501');
    await db.admin.unsafe(`alter view pool.plain owner to postgres; grant select on pool.plain to ${db.app}`);
    expect(countOf(await db.as(undefined, 'select * from pool.plain'))).toBe(2);
    await db.admin.unsafe('drop view pool.plain');
  });

  test('a view that runs as its caller shows a tenant its own rows; PostgreSQL 14 knows none', async () => {
    const create = db.asOwner('*', 'create view pool.invoked with (security_invoker = true) as select * from pool.products');
    if (db.major < 15) {
      await expect(create).rejects.toMatchObject({ code: '22023' });
      return;
    }
    await create;
    await db.install('pool', undefined);
    expect(countOf(await db.as(db.token('acme'), 'select * from pool.invoked'))).toBe(1);
    expect(countOf(await db.as(undefined, 'select * from pool.invoked'))).toBe(0);
  });

  test('a materialised view is not granted; control: granted, it shows every tenant’s rows', async () => {
    await db.asOwner('*', 'create materialized view pool.totals as select tenant_id, count(*) from pool.products group by 1');
    const { warnings } = await db.install('pool', undefined);
    expect(warnings.filter((warning) => warning.includes('pool.totals'))).toHaveLength(1);
    expect(refusalOf(await db.as(db.token('acme'), 'select * from pool.totals'))).toBe('42501');
    await db.admin.unsafe(`grant select on pool.totals to ${db.app}`);
    expect(countOf(await db.as(undefined, 'select * from pool.totals'))).toBe(2);
    await db.install('pool', undefined);
    expect(refusalOf(await db.as(db.token('acme'), 'select * from pool.totals'))).toBe('42501');
  });
});

describe('functions', () => {
  test('a SECURITY DEFINER function without a pinned search_path can’t be called; control: granted, its caller chooses what its names mean', async () => {
    await db.asOwner(
      '*',
      `set local check_function_bodies = off;
      create function pool.greet() returns text language sql security definer as 'select shout()';
      create function pool.shout() returns text language sql as $$ select 'own' $$`,
    );
    const { warnings } = await db.install('pool', undefined);
    expect(warnings.filter((warning) => warning.includes('pool.greet'))).toHaveLength(1);
    expect(refusalOf(await db.as(db.token('acme'), 'select pool.greet()'))).toBe('42501');
    // Wherever the caller could make a function, or only find one of that name.
    await db.admin.unsafe(`create schema elsewhere; grant usage on schema elsewhere to public; create function elsewhere.shout() returns text language sql as $$ select current_user::text $$;
      grant execute on function pool.greet(), elsewhere.shout() to public`);
    expect(await db.as(db.token('acme'), 'set local search_path = elsewhere; select pool.greet() as said')).toMatchObject({
      rows: [{ said: db.owner }],
    });
    await db.admin.unsafe('drop schema elsewhere cascade');
    await db.install('pool', undefined);
    expect(refusalOf(await db.as(db.token('acme'), 'select pool.greet()'))).toBe('42501');
  });

  test('the policies’ own functions don’t heed search_path; control: an unqualified one does', async () => {
    await db.admin.unsafe(`create schema trap; grant usage on schema trap to public;
      create function trap.sha256(bytea) returns bytea language sql as $$ select '\\x00'::bytea $$;
      create function trap.split_part(text, text, int) returns text language sql as $$ select 'bolt' $$;
      create function trap.current_setting(text, boolean) returns text language sql as $$ select 'v1:k1:bolt:x:1:0::x' $$;
      grant execute on all functions in schema trap to public`);
    const path = 'set local search_path = trap, pg_catalog';
    expect(await db.as(db.token('acme'), `${path}; select split_part('a', ':', 3) as said`)).toMatchObject({ rows: [{ said: 'bolt' }] });
    expect(await db.as(db.token('acme'), `${path}; select tenant_id from pool.products`)).toMatchObject({ rows: [{ tenant_id: 'acme' }] });
    expect(refusalOf(await db.as('v1:k1:bolt:x:1:0::x', `${path}; select tenant_id from pool.products`))).toBe('42501');
    await db.admin.unsafe('drop schema trap cascade');
  });
});

describe('reference tables', () => {
  test('are read by every tenant, also without a context, and written by none; control: with a grant and no policy they are', async () => {
    await db.asOwner(
      undefined,
      `create table reference.currencies (code text primary key); insert into reference.currencies values ('EUR')`,
    );
    const { installReferencePolicies } = await import('../../src/rls/install-policies.ts');
    const roles = { ownerRole: db.owner, appRole: db.app };
    expect((await installReferencePolicies(db.ownerSql, roles)).changed).toEqual(['currencies']);
    expect((await installReferencePolicies(db.ownerSql, roles)).changed).toEqual([]);
    for (const context of [undefined, db.token('acme')]) {
      expect(countOf(await db.as(context, 'select * from reference.currencies'))).toBe(1);
      expect(refusalOf(await db.wouldMeet(context, `insert into reference.currencies values ('XXX')`))).toBe('42501');
    }
    await db.asOwner(undefined, `insert into reference.currencies values ('USD')`);
    await db.admin.unsafe(`grant insert on reference.currencies to ${db.app}`);
    expect(refusalOf(await db.wouldMeet(db.token('acme'), `insert into reference.currencies values ('XXX')`))).toBe('42501');
    await db.admin.unsafe('alter table reference.currencies disable row level security');
    expect(countOf(await db.wouldMeet(db.token('acme'), `insert into reference.currencies values ('XXX')`))).toBe(1);
    await installReferencePolicies(db.ownerSql, roles);
    expect(refusalOf(await db.wouldMeet(db.token('acme'), `insert into reference.currencies values ('XXX')`))).toBe('42501');
  });
});
