import type { Sql } from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { policiesFor } from '../../../src/rls/policy.ts';
import { countOf, PolicyDatabase } from '../../attacks/policy-database.ts';

let db: PolicyDatabase;
let reader: Sql;

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.pool('create table products (tenant_id text not null, id int not null, primary key (tenant_id, id))');
  for (const tenant of ['acme', 'bolt'])
    await db.as(db.token(tenant), `insert into pool.products select '${tenant}', g from generate_series(1, 3) g`);
  reader = db.client(db.app);
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

/** What acme sees: its own three rows, never bolt's, never none. */
async function seen(): Promise<string> {
  const outcome = await db.as(db.token('acme'), 'select tenant_id, count(*)::int as n from pool.products group by 1 order by 1', reader);
  return 'refused' in outcome ? outcome.refused : JSON.stringify(outcome.rows);
}

/** What there was before an upgrade: policies of the same names that say less, and one of ours that is gone. */
const older = (): string => `
  begin;
  drop policy tenancy_tenant on pool.products; drop policy tenancy_tenant_restrictive on pool.products;
  create policy tenancy_tenant on pool.products using (tenant_id = (select tenancy.current_tenant_id()));
  create policy tenancy_tenant_restrictive on pool.products as restrictive to ${db.app} using (tenant_id = (select tenancy.current_tenant_id()));
  create policy tenancy_older on pool.products as restrictive using (true);
  commit`;

test('50 upgrades in place: a reader sees its own rows in every moment, and only those', async () => {
  const expected = JSON.stringify([{ tenant_id: 'acme', n: 3 }]);
  let running = true;
  const polls = (async () => {
    const answers: string[] = [];
    while (running) answers.push(await seen());
    return answers;
  })();
  try {
    for (let upgrade = 0; upgrade < 50; upgrade++) {
      await db.ownerSql.unsafe(older());
      expect((await db.install('pool', undefined)).changed).toEqual(['products']);
    }
  } finally {
    running = false;
  }
  const answers = await polls;
  expect(new Set(answers)).toEqual(new Set([expected]));
  expect(answers.length).toBeGreaterThan(50);
});

test('control: the same statements one by one, each committed, show no row in between; with row-level security off for a moment, all', async () => {
  const moments: string[] = [];
  const statements = policiesFor({
    schema: 'pool',
    table: 'products',
    isolation: 'row',
    ownerRole: db.owner,
    appRole: db.app,
    serverMajor: db.major,
  })
    .flatMap((sql) => sql.replace(/^--.*$/gm, '').split(';'))
    .filter((sql) => sql.trim() !== '');
  for (const statement of statements) {
    await db.ownerSql.unsafe(statement);
    moments.push(await seen());
  }
  expect(moments).toContain('[]');
  await db.ownerSql`alter table pool.products disable row level security`;
  expect(await seen()).toBe(
    JSON.stringify([
      { tenant_id: 'acme', n: 3 },
      { tenant_id: 'bolt', n: 3 },
    ]),
  );
  await db.ownerSql`alter table pool.products enable row level security`;
  expect(countOf(await db.as(db.token('acme'), 'select from pool.products'))).toBe(3);
});
