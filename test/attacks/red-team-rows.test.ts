import type postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installReferencePolicies } from '../../src/rls/install-policies.ts';
import { attempt, countOf, type Outcome, PolicyDatabase, refusalOf } from './policy-database.ts';

const ddl = `
  create table products (tenant_id text not null, id int not null, sku text not null, stock int not null check (stock >= 0), primary key (tenant_id, id));
  create table logs (tenant_id text not null, id int not null, line text not null, primary key (tenant_id, id)) partition by list (tenant_id);
  create table logs_all partition of logs default`;
const rows = (
  tenant: string,
): string => `insert into products select '${tenant}', n, '${tenant}-secret-' || n, n from generate_series(1, 20) n;
  insert into logs select '${tenant}', n, '${tenant}-secret-' || n from generate_series(1, 20) n;`;

let db: PolicyDatabase;
beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.pool(`${ddl}; ${rows('acme')} ${rows('bolt')}`);
  await db.asOwner(undefined, `create table reference.currencies (code text primary key); insert into reference.currencies values ('EUR')`);
  await installReferencePolicies(db.ownerSql, { ownerRole: db.owner, appRole: db.app });
  await db.admin.unsafe('analyze');
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

/** The same with row-level security off, which the installation puts back. */
async function withoutPolicies<T>(callback: () => Promise<T>): Promise<T> {
  const tables = ['products', 'logs', 'logs_all'];
  await db.admin.unsafe(
    tables.map((table) => `alter table pool.${table} no force row level security, disable row level security`).join('; '),
  );
  try {
    return await callback();
  } finally {
    await db.install('pool', undefined);
  }
}

const asAcme = async (text: string): Promise<Outcome> => await db.wouldMeet(db.token('acme'), text);
const told = (outcome: Outcome): string => JSON.stringify(outcome);

/** Ways to read or touch a row that are not a plain select. */
const ways: Readonly<Record<string, string>> = {
  table: 'table pool.products',
  only: 'select sku from only pool.products',
  'a sample': 'select sku from pool.products tablesample system (100)',
  'a repeatable sample': 'select sku from pool.products tablesample bernoulli (100) repeatable (1)',
  'physical places': `select sku from pool.products where ctid = any (select ('(0,' || n || ')')::tid from generate_series(1, 60) n)`,
  'a range of places': `select sku from pool.products where ctid >= '(0,1)' and ctid < '(9,1)'`,
  'system columns': 'select sku, xmin, cmax, tableoid from pool.products',
  'whole rows as text': 'select p::text from pool.products p',
  'whole rows as JSON': 'select row_to_json(p) from pool.products p',
  'aggregated rows': 'select jsonb_agg(p) from pool.products p',
  'an array of rows': 'select array(select p from pool.products p)::text',
  'a JSON path': `select jsonb_path_query(to_jsonb(p), '$.sku ? (@ like_regex "secret")') from pool.products p`,
  'grouping sets': 'select sku, count(*) from pool.products group by cube (sku, stock)',
  'a window': 'select sku, lag(sku) over (order by stock, sku), first_value(sku) over (order by sku desc) from pool.products',
  'a recursive query':
    'with recursive r as (select sku, stock from pool.products where stock = 1 union select p.sku, p.stock from pool.products p join r on p.stock = r.stock + 1) select * from r',
  'a cursor': 'declare c scroll cursor for select sku from pool.products; move last in c; fetch backward all from c',
  'rows for update': 'select sku from pool.products for update',
  'rows for share, locked ones skipped': 'select sku from pool.products for key share skip locked',
  'rows that an update returns': 'update pool.products set stock = stock returning sku',
  'rows that a delete returns': 'with gone as (delete from pool.products returning *) select sku from gone',
  'rows that an insert copies':
    'insert into pool.logs (tenant_id, id, line) select tenant_id, id + 100, sku from pool.products returning line',
  'an upsert from rows':
    'insert into pool.products select * from pool.products on conflict (tenant_id, id) do update set stock = excluded.stock returning products.sku',
  'a partition': 'select line from pool.logs_all',
  'an inlined constant': `select sku from pool.products where tenant_id = 'bolt' or true`,
};

describe('another tenant’s rows', () => {
  test.each(Object.entries(ways))('are not read as %s; control: without policies they are', async (_how, text) => {
    const outcome = told(await asAcme(text));
    expect(outcome).not.toContain('bolt');
    expect(outcome).toContain('acme-secret');
    const open = told(await withoutPolicies(async () => await asAcme(text)));
    expect(open).toContain('bolt-secret');
  });
});

/** A condition that fails on some values and not on others tells which are there, if it is asked before the policy. */
const oracles: Readonly<Record<string, string>> = {
  'a cast whose error holds the value': `select 1 from pool.products where tenant_id <> 'acme' and sku::int > 0`,
  'a division by what is sought': `select 1 from pool.products where tenant_id <> 'acme' and 1 / (stock - 7) > 0`,
  'a regular expression made of values': `select 1 from pool.products where tenant_id <> 'acme' and 'x' ~ ('(' || sku)`,
  'a date that is none': `select 1 from pool.products where tenant_id <> 'acme' and (sku || '-x')::date > now()`,
  'an error in an order': `select 1 from pool.products where tenant_id <> 'acme' order by 1 / (stock - 7)`,
  'an error in an aggregate': `select sum(1 / (stock - 7)) filter (where tenant_id <> 'acme') from pool.products where tenant_id <> 'acme'`,
  'an error in an update': `update pool.products set stock = 1 / (stock - 7) where tenant_id <> 'acme'`,
  'a check constraint': `update pool.products set stock = -1 where tenant_id <> 'acme'`,
};

describe('an error as an oracle', () => {
  test.each(Object.entries(oracles))('%s is never met by hidden rows; control: without policies it is', async (_how, text) => {
    expect(refusalOf(await asAcme(text))).toMatch(/^not refused/);
    expect(refusalOf(await withoutPolicies(async () => await asAcme(text)))).toMatch(/^2/);
  });

  test('a constraint’s DETAIL holds no values under policies; control: without them it does', async () => {
    const detailOf = async (): Promise<string> =>
      await db.appSql
        .begin(async (sql) => {
          await sql`select set_config('tenancy.context', ${db.token('acme')}, true)`;
          await sql.unsafe(`insert into pool.products values ('acme', 1, 'plaintext', 1)`);
          return 'nothing';
        })
        .catch((error: unknown) => `${(error as postgres.PostgresError).detail ?? ''} ${(error as Error).message}`);
    expect(await detailOf()).not.toContain('acme');
    expect(await withoutPolicies(detailOf)).toContain('(acme, 1)');
  });
});

describe('locks', () => {
  test('held by another tenant are not told by SKIP LOCKED or NOWAIT; control: without policies they are', async () => {
    const seen = async (): Promise<string[]> => {
      const other = db.client(db.app);
      let release = (): void => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      let locked: () => void = () => {};
      const ready = new Promise<void>((resolve) => {
        locked = resolve;
      });
      const holder = other.begin(async (sql) => {
        await sql`select set_config('tenancy.context', ${db.token('bolt')}, true)`;
        await sql.unsafe(`select 1 from pool.products where tenant_id = 'bolt' and id = 7 for update`);
        locked();
        await held;
      });
      await ready;
      const answers = [
        await asAcme('select count(*)::int from (select 1 from pool.products where id = 7 for update skip locked) x'),
        await asAcme('select 1 from pool.products where id = 7 for update nowait'),
      ];
      release();
      await holder;
      const free = [
        await asAcme('select count(*)::int from (select 1 from pool.products where id = 7 for update skip locked) x'),
        await asAcme('select 1 from pool.products where id = 7 for update nowait'),
      ];
      return [told({ rows: answers as never, count: 0 }), told({ rows: free as never, count: 0 })];
    };
    const [held, free] = await seen();
    expect(held).toBe(free);
    const [openHeld, openFree] = await withoutPolicies(seen);
    expect(openHeld).not.toBe(openFree);
  });

  test('can’t be taken on reference rows, which all tenants share; control: with a right to update they hold migrations up', async () => {
    const locking = 'select 1 from reference.currencies for key share';
    for (const text of [locking, locking.replace('key share', 'update')]) expect(refusalOf(await asAcme(text))).toBe('42501');
    await db.admin.unsafe(`grant update on reference.currencies to ${db.app}; alter table reference.currencies disable row level security`);
    await db.appSql.begin(async (sql) => {
      await sql.unsafe(locking.replace('key share', 'update'));
      expect(
        refusalOf(await attempt(db.admin, undefined, `set local lock_timeout = '50ms'; update reference.currencies set code = code`)),
      ).toBe('55P03');
    });
    await installReferencePolicies(db.ownerSql, { ownerRole: db.owner, appRole: db.app });
    expect(refusalOf(await asAcme(locking))).toBe('42501');
  });
});

describe('plans that a session keeps', () => {
  const twice = async (): Promise<readonly [Outcome, Outcome]> => {
    const sql = db.client(db.app);
    await sql.unsafe(`set plan_cache_mode = force_generic_plan`);
    const read = async (tenant: string): Promise<Outcome> =>
      await attempt(sql, db.token(tenant), 'select distinct owner_of from pool.mine() owner_of');
    for (let time = 0; time < 7; time++) await read('acme');
    return [await read('acme'), await read('bolt')];
  };

  test('are one tenant’s in no way: a function’s cached statement answers each its own; control: a policy that PostgreSQL may fold', async () => {
    await db.asOwner(
      '*',
      `create function pool.mine() returns setof text language plpgsql stable as $$ begin return query select tenant_id from pool.products; end $$`,
    );
    await db.install('pool', undefined);
    const [acme, bolt] = await twice();
    expect([acme, bolt]).toMatchObject([{ rows: [{ owner_of: 'acme' }] }, { rows: [{ owner_of: 'bolt' }] }]);

    // IMMUTABLE is a promise that the context never changes: it is read once, when the plan is made.
    await db.admin.unsafe(`create function pool.folded() returns text language plpgsql immutable as $$ begin return split_part(current_setting('tenancy.context', true), ':', 3); end $$;
      grant execute on function pool.folded() to ${db.app};
      drop policy tenancy_tenant_restrictive on pool.products; alter policy tenancy_tenant on pool.products using (tenant_id = pool.folded())`);
    const [, folded] = await twice();
    await db.install('pool', undefined);
    await db.admin.unsafe('drop function pool.folded()').catch(() => {});
    expect(folded).toMatchObject({ rows: [{ owner_of: 'acme' }] });
  });
});

describe('another session’s snapshot', () => {
  test('shows its age and no tenant; control: without policies its rows', async () => {
    const seen = async (): Promise<string> => {
      const other = db.client(db.app);
      return (await other.begin('isolation level repeatable read', async (theirs) => {
        await theirs`select set_config('tenancy.context', ${db.token('bolt')}, true)`;
        const [{ id } = { id: '' }] = await theirs<{ id: string }[]>`select pg_export_snapshot() as id`;
        return (await db.appSql.begin('isolation level repeatable read', async (mine) => {
          await mine.unsafe(`set transaction snapshot '${id}'`);
          await mine`select set_config('tenancy.context', ${db.token('acme')}, true)`;
          return JSON.stringify(await mine`select sku from pool.products`);
        })) as string;
      })) as string;
    };
    expect(await seen()).not.toContain('bolt');
    expect(await withoutPolicies(seen)).toContain('bolt-secret');
  });
});

describe('a leakproof function', () => {
  const whisper = `create function public.whisper(text) returns boolean language plpgsql immutable leakproof cost 0.0001 as
    $$ begin if $1 like 'bolt%' then raise exception 'saw %', $1; end if; return true; end $$; grant usage on schema public to public`;

  test('can’t be made by the login; control: one that a superuser made sees every tenant’s values (verify: function-leakproof)', async () => {
    expect(refusalOf(await asAcme(whisper))).toBe('42501');
    await db.admin.unsafe(whisper);
    const said = await asAcme('select count(*) from pool.products where public.whisper(sku)');
    await db.admin.unsafe('alter function public.whisper(text) not leakproof');
    const silent = await asAcme('select count(*)::int as n from pool.products where public.whisper(sku)');
    await db.admin.unsafe('drop function public.whisper(text); revoke usage on schema public from public');
    expect(said).toMatchObject({ message: expect.stringContaining('saw bolt-secret') as string });
    expect(silent).toMatchObject({ rows: [{ n: 20 }] });
  });
});

test('rows are really there for both: what the tests above compare', async () => {
  for (const tenant of ['acme', 'bolt']) expect(countOf(await db.wouldMeet(db.token(tenant), 'select 1 from pool.products'))).toBe(20);
});
