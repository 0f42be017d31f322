import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Outcome, PolicyDatabase } from './policy-database.ts';

// An index that does not begin with tenant_id is what a refusal could depend on: the row is found before the policy is asked.
const ddl = `
  create table products (tenant_id text not null, id int not null, sku text not null, note text, primary key (tenant_id, id), unique (tenant_id, sku));
  create index on products (sku);
  create table parts (tenant_id text not null, id int not null, sku text not null, primary key (tenant_id, id)) partition by hash (id);
  create table parts_0 partition of parts for values with (modulus 2, remainder 0);
  create table parts_1 partition of parts for values with (modulus 2, remainder 1);
  create index on parts (sku);
`;
const rows = (tenant: string): string => `
  insert into products select '${tenant}', g, '${tenant}-' || g, 'note ${tenant}-' || g from generate_series(1, 30) g;
  insert into parts select '${tenant}', g, '${tenant}-' || g from generate_series(1, 30) g;
`;

/** Statements that could tell whether a row with that sku is there. */
const shapes: Readonly<Record<string, (table: string, sku: string) => string>> = {
  select: (t, s) => `select 1 as x from ${t} where sku = '${s}'`,
  'select by a function that is not leakproof': (t, s) => `select 1 as x from ${t} where sku like '%${s}%'`,
  exists: (t, s) => `select exists (select from ${t} where sku = '${s}') as x`,
  'not exists': (t, s) => `select 1 as x where not exists (select from ${t} where sku = '${s}')`,
  count: (t, s) => `select count(*)::int as x from ${t} where sku = '${s}'`,
  'left join, nullable side': (t, s) => `select v.x, p.id from (values (1)) v(x) left join ${t} p on p.sku = '${s}'`,
  'left join by key': (t, s) => `select p.id from (values ('${s}')) v(x) left join ${t} p on p.sku = v.x`,
  'anti join': (t, s) => `select 1 as x from (values ('${s}')) v(x) left join ${t} p on p.sku = v.x where p.id is null`,
  'left join under a left join': (t, s) =>
    `select a.x, p.id from (values (1)) a(x) left join ((values (1)) b(x) left join ${t} p on p.sku = '${s}') on a.x = b.x`,
  'right join': (t, s) => `select v.x, p.id from ${t} p right join (values (1)) v(x) on p.sku = '${s}'`,
  'full join': (t, s) => `select v.x, p.id from (select * from ${t} where sku = '${s}') p full join (values (1)) v(x) on p.id = v.x`,
  'inner join': (t, s) => `select 1 as x from (values ('${s}')) v(x) join ${t} p on p.sku = v.x`,
  lateral: (t, s) =>
    `select v.y, p.id from (values ('${s}', 1)) v(x, y) left join lateral (select id from ${t} where sku = v.x limit 1) p on true`,
  scalar: (t, s) => `select (select id from ${t} where sku = '${s}') as x`,
  'scalar in a left join': (t, s) =>
    `select v.x, (select p.id from ${t} p where p.sku = '${s}' and p.id > v.x) from (values (1)) v(x) left join (values (1)) w(x) on v.x = w.x`,
  in: (t, s) => `select 1 as x where '${s}' in (select sku from ${t})`,
  'union all': (t, s) => `select id from ${t} where sku = '${s}' union all select 0`,
  'materialised CTE': (t, s) => `with c as materialized (select id from ${t} where sku = '${s}') select count(*)::int as x from c`,
  limit: (t, s) => `select id from ${t} where sku = '${s}' limit 1`,
  'for update': (t, s) => `select id from ${t} where sku = '${s}' for update`,
  'or exists': (t, s) => `select x from (values (1)) v(x) where x = 2 or exists (select from ${t} where sku = '${s}' and id >= x)`,
  update: (t, s) => `update ${t} set sku = sku where sku = '${s}'`,
  'update from': (t, s) => `update ${t} p set sku = p.sku from (values ('${s}')) v(x) where p.sku = v.x`,
  delete: (t, s) => `delete from ${t} where sku = '${s}'`,
  'insert, do nothing': (t, s) => `insert into ${t} (tenant_id, id, sku) values ('acme', 99, '${s}') on conflict do nothing`,
  upsert: (t, s) => `insert into ${t} (tenant_id, id, sku) values ('acme', 7, '${s}') on conflict (tenant_id, id) do update set sku = 'y'`,
};

const plans = [
  'select 1',
  'set local enable_seqscan = off',
  'set local enable_seqscan = off; set local enable_nestloop = off; set local enable_hashjoin = off',
];

let db: PolicyDatabase;

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.tenant('acme', ddl + rows('acme'));
  await db.tenant('bolt', ddl + rows('bolt'));
  await db.pool(ddl + rows('acme') + rows('bolt'));
  await db.admin.unsafe('analyze');
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

/** What the one who asks can tell: rows, or the refusal's state and words. */
function seen(outcome: Outcome): string {
  if ('refused' in outcome) return `${outcome.refused} ${outcome.message}`;
  return JSON.stringify([outcome.rows, outcome.count]);
}

/** Every shape and plan in which a row that is there is answered otherwise than one that is not. */
async function differences(table: string, context: string | undefined): Promise<string[]> {
  const found: string[] = [];
  for (const [name, shape] of Object.entries(shapes)) {
    for (const plan of plans) {
      const present = seen(await db.wouldMeet(context, `${plan}; ${shape(table, 'acme-7')}`));
      const absent = seen(await db.wouldMeet(context, `${plan}; ${shape(table, 'none-7')}`));
      if (present !== absent) found.push(`${name} [${plan}]: ${present} / ${absent}`);
    }
  }
  return found;
}

const contexts: readonly (readonly [name: string, context: () => string | undefined])[] = [
  ['another tenant’s', () => db.token('bolt')],
  ['a forged', () => `${db.token('acme').slice(0, -2)}00`],
  ['an expired', () => db.signer(db.app, () => Date.now() - 3_600_000).sign('acme', 0)],
  ['a malformed', () => 'v1:k1:acme'],
  ['no', () => undefined],
];

describe.each(['acme.products', 'acme.parts', 'pool.products', 'pool.parts'])('%s', (table) => {
  test.each(contexts)('answers alike for rows that are there and rows that are not, under %s context', async (_name, context) => {
    expect(await differences(table, context())).toEqual([]);
  });

  test('the shapes do tell the difference to the tenant itself', async () => {
    const found = await differences(table, db.token('acme'));
    for (const name of Object.keys(shapes)) {
      if (!name.startsWith('insert') && name !== 'upsert')
        expect(
          found.some((difference) => difference.startsWith(`${name} [`)),
          name,
        ).toBe(true);
    }
  });
});

describe('control', () => {
  const replace = async (table: string, predicate: string): Promise<void> => {
    await db.admin.unsafe(`
      drop policy tenancy_tenant_restrictive on ${table};
      drop policy tenancy_tenant on ${table};
      create policy tenancy_tenant on ${table} using (${predicate}) with check (${predicate})`);
  };

  test('the tenant’s predicate alone, without the one-time filter, tells a forger which rows are there', async () => {
    await replace('pool.products', 'tenant_id = (select tenancy.current_tenant_id())');
    const found = await differences('pool.products', 'forged');
    await db.install('pool', undefined);
    expect(found.length).toBeGreaterThan(5);
    expect(found.join()).toContain('42501');
    expect(await differences('pool.products', 'forged')).toEqual([]);
  });

  test('a loud policy whose refusal depends on the row tells another tenant which rows are there', async () => {
    // Volatile, as a function is that nobody declared otherwise: asked for each row that is found.
    await db.admin.unsafe(`create function acme.loud() returns boolean language plpgsql as $$ begin perform tenancy.require_tenant('acme'); return true; end $$;
      grant execute on function acme.loud() to ${db.app}`);
    await replace('acme.products', `tenant_id = 'acme' and acme.loud()`);
    const found = await differences('acme.products', db.token('bolt'));
    await db.install('acme', 'acme');
    await db.admin.unsafe('drop function acme.loud()');
    expect(found.length).toBeGreaterThan(5);
    expect(found.join()).toContain('42501');
  });
});

test('the loud form that 18 has would tell on 14 and 15, under an outer join’s nullable side', async () => {
  await db.admin.unsafe(`
    drop policy tenancy_tenant_restrictive on acme.products;
    drop policy tenancy_tenant on acme.products;
    create policy tenancy_tenant on acme.products using (tenant_id = 'acme' and (select tenancy.require_tenant('acme')) = 'acme')`);
  const found = await differences('acme.products', db.token('bolt'));
  await db.install('acme', 'acme');
  if (db.major >= 16) expect(found).toEqual([]);
  else expect(found.join()).toMatch(/left join.*42501/);
});
