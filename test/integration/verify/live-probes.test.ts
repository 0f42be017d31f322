import type { Sql } from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { installReferencePolicies } from '../../../src/rls/install-policies.ts';
import type { VerifiedSchema } from '../../../src/verify/database-check.ts';
import type { Finding } from '../../../src/verify/finding.ts';
import { probeDatabase } from '../../../src/verify/live-probes.ts';
import { PolicyDatabase } from '../../attacks/policy-database.ts';

const ddl = `
  create type state as enum ('open', 'closed');
  create domain iso as text check (value ~ '^[A-Z]{2}$' or value = 'ZZ');
  create table products (tenant_id text not null, id serial, sku text not null, price numeric(12, 4) not null check (price > 5), tags text[] not null,
    seen timestamptz not null default now(), primary key (tenant_id, id), unique (tenant_id, sku));
  create table stock (tenant_id text not null, product int not null, amount int not null, state state not null, country iso not null, currency text not null references reference.currencies (code),
    detail jsonb not null, primary key (tenant_id, product), foreign key (tenant_id, product) references products (tenant_id, id) on delete cascade);
  create table events (tenant_id text not null, id uuid not null, at date not null, kind text not null check (kind in ('sale', 'return')), primary key (tenant_id, id, at)) partition by range (at);
  create table events_old partition of events for values from (minvalue) to ('2020-01-01');
  create table events_new partition of events for values from ('2020-01-01') to (maxvalue);
  create table notes (tenant_id text not null, body json not null, double int generated always as (1 + 1) stored);
  create table parts (tenant_id text not null, id bigint generated always as identity, parent bigint, product int,
    primary key (tenant_id, id), foreign key (tenant_id, parent) references parts (tenant_id, id), foreign key (tenant_id, product) references products (tenant_id, id) deferrable initially deferred);
`;
const schemas: readonly VerifiedSchema[] = [
  { schema: 'acme', isolation: 'schema', tenantId: 'acme' },
  { schema: 'pool', isolation: 'row' },
];

let db: PolicyDatabase;
let service: Sql;
const restore: string[] = [];

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.asOwner(undefined, `create table reference.currencies (code text primary key); insert into reference.currencies values ('EUR')`);
  await installReferencePolicies(db.ownerSql, { ownerRole: db.owner, appRole: db.app });
  await db.tenant('acme', ddl);
  await db.pool(ddl);
  for (const [tenant, schema] of [
    ['acme', 'acme'],
    ['bolt', 'pool'],
  ] as const)
    await db.as(db.token(tenant), `insert into ${schema}.products (tenant_id, sku, price, tags) values ('${tenant}', 'LAMP', 9, '{a}')`);
  service = db.client(db.app);
});
afterEach(async () => {
  for (const sql of restore.splice(0).reverse()) await db.admin.unsafe(sql);
  await db.install('acme', 'acme');
  await db.install('pool', undefined);
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

const probe = async () =>
  await probeDatabase(
    { sql: service, signer: db.signer() },
    { clusterId: 'local', database: db.database, ownerRole: db.owner, appRole: db.app, schemas },
  );

const app = (sql: string): string => sql.replaceAll('APP', db.app).replaceAll('OWNER', db.owner);

async function sabotaged(sabotage: string, undo?: string): Promise<readonly Finding[]> {
  await db.admin.unsafe(app(sabotage));
  if (undo !== undefined) restore.push(app(undo));
  return (await probe()).findings;
}

/** Every row of every table, as a superuser sees them. */
async function everything(): Promise<string> {
  const tables = ['products', 'stock', 'events', 'notes', 'parts'].flatMap((table) => [`acme.${table}`, `pool.${table}`]);
  const rows = await db.admin.unsafe(
    `${tables.map((table) => `select '${table}' as place, to_jsonb(t)::text as row from ${table} t`).join(' union all ')} order by 1, 2`,
  );
  return JSON.stringify(rows);
}

test('a database as it should be: everything is tried, nothing gets through, nothing remains', async () => {
  const before = await everything();
  const { findings, checked } = await probe();
  expect(findings).toEqual([]);
  expect(checked).toBeGreaterThan(150);
  expect(await everything()).toBe(before);
});

const loosen = (table: string): string =>
  `alter policy tenancy_tenant on ${table} using (true) with check (true); alter policy tenancy_tenant_restrictive on ${table} using (true) with check (true)`;

describe('what gets through is found', () => {
  test.each([
    ['pool.products', ['probe-read', 'probe-write', 'probe-upsert'], 'alter table pool.products disable row level security'],
    ['acme.products', ['probe-read', 'probe-write', 'probe-upsert'], 'alter table acme.products disable row level security'],
    ['pool.products', ['probe-read', 'probe-write', 'probe-upsert'], loosen('pool.products')],
    ['acme.notes', ['probe-read', 'probe-write', 'probe-upsert'], loosen('acme.notes')],
    ['pool.events_new', ['probe-read', 'probe-write'], 'alter table pool.events_new disable row level security'],
    ['acme.events_old', ['probe-write'], 'alter table acme.events_old disable row level security'],
    [
      'pool.stock',
      ['probe-read'],
      `drop policy tenancy_tenant_restrictive on pool.stock; create policy loose on pool.stock for select using (true)`,
      'drop policy loose on pool.stock',
    ],
    [
      'pool.parts',
      ['probe-write'],
      `alter policy tenancy_tenant_restrictive on pool.parts with check (true); create policy loose on pool.parts for insert with check (true)`,
      'drop policy loose on pool.parts',
    ],
    ['pool.notes', ['probe-move'], `drop trigger tenancy_tenant_immutable on pool.notes; ${loosen('pool.notes')}`],
    ['acme.products', ['probe-truncate'], 'grant truncate on acme.products to APP'],
    ['pool.stock', ['probe-truncate'], 'grant truncate on pool.stock to public'],
    ['pool.products', ['probe-collision'], 'create unique index loose on pool.products (sku)', 'drop index pool.loose'],
    ['pool.notes', ['probe-collision'], 'create unique index loose on pool.notes ((body::text))', 'drop index pool.loose'],
    [
      'pool.parts',
      ['probe-reference'],
      'alter table pool.products add constraint global unique (id); alter table pool.parts drop constraint parts_tenant_id_product_fkey; alter table pool.parts add constraint loose foreign key (product) references pool.products (id)',
      'alter table pool.parts drop constraint loose; alter table pool.products drop constraint global',
    ],
    [
      'acme.plain',
      ['probe-read'],
      'create view acme.plain as select * from acme.products; grant select on acme.plain to APP',
      'drop view acme.plain',
    ],
    [
      'pool.kept',
      ['probe-read'],
      'create materialized view pool.kept as select * from pool.products; grant select on pool.kept to APP',
      'drop materialized view pool.kept',
    ],
  ] as const)('%s: %j after %s', async (place, ids, sabotage, undo?: string) => {
    const found = await sabotaged(sabotage, undo);
    for (const id of ids) {
      expect(found).toContainEqual(
        expect.objectContaining({
          id,
          severity: 'critical',
          location: `local/${db.database} ${place}`,
          message: expect.stringMatching(/service login/) as string,
        }),
      );
    }
  });

  test('what could not be tried is said, and why', async () => {
    restore.push('drop table pool.odd; drop type pool.pair');
    await db.asOwner('*', 'create type pool.pair as (a int, b int); create table pool.odd (tenant_id text not null, p pool.pair not null)');
    await db.install('pool', undefined);
    const {
      findings: [found, ...more],
    } = await probe();
    expect(more).toEqual([]);
    expect(found).toMatchObject({ id: 'probe-incomplete', severity: 'info', message: expect.stringContaining('pool.pair') as string });
  });
});
