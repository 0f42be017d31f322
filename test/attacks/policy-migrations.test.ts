import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PolicyDatabase } from './policy-database.ts';

const ddl = `
  create table parents (tenant_id text not null, id int not null, primary key (tenant_id, id));
  create table children (tenant_id text not null, id int not null, parent int not null, note text, primary key (tenant_id, id));
`;
const orphan = (tenant: string): string => `insert into children values ('${tenant}', 1, 404);`;
const key = (schema: string): string =>
  `alter table ${schema}.children add constraint whole foreign key (tenant_id, parent) references ${schema}.parents (tenant_id, id)`;
const backfill = (schema: string): string => `update ${schema}.children set note = 'filled'`;

let db: PolicyDatabase;

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.tenant('acme', ddl + orphan('acme'));
  await db.pool(ddl + orphan('acme') + orphan('bolt'));
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

/** How the owner's statement ended: the rows it touched, or its SQLSTATE; all of it undone. */
async function tried(tenantId: string | undefined, statement: string, then = ''): Promise<unknown> {
  const token = tenantId === undefined ? '' : db.signer(db.owner).sign(tenantId, 0);
  let answer: unknown;
  await db.ownerSql
    .begin(async (sql) => {
      await sql`select set_config('tenancy.context', ${token}, true)`;
      const result = await sql.unsafe(statement);
      answer = then === '' ? result.count : (await sql.unsafe(then))[0];
      throw new Error('undone');
    })
    .catch((error: { code?: string; message: string }) => {
      if (error.message !== 'undone') answer = error.code;
    });
  return answer;
}

describe.each([
  ['a tenant’s own schema', 'acme', 'acme', 1],
  ['a shared schema', 'pool', '*', 2],
])('the owner migrates %s', (_name, schema, context, rows) => {
  const validity = `select convalidated from pg_constraint where conname = 'whole' and connamespace = '${schema}'::regnamespace`;

  test('control: without a context, a foreign key over orphans is recorded as valid and a backfill touches nothing', async () => {
    expect(await tried(undefined, key(schema), validity)).toEqual({ convalidated: true });
    expect(await tried(undefined, backfill(schema))).toBe(0);
  });

  test('under its signed context the orphan is found and the backfill reaches every row', async () => {
    expect(await tried(context, key(schema))).toBe('23503');
    expect(await tried(context, backfill(schema))).toBe(rows);
  });
});

test('in a shared schema, one tenant’s context reaches that tenant’s rows', async () => {
  expect(await tried('acme', backfill('pool'))).toBe(1);
});

test('maintenance is not for a tenant’s own schema', async () => {
  expect([0, '42501']).toContain(await tried('*', backfill('acme')));
  expect(await tried('*', backfill('acme'))).toBe(db.major >= 18 ? '42501' : 0);
});

test('copies of the rows as the owner are refused or empty without a context, as pg_dump finds', async () => {
  expect(await tried(undefined, 'select * from pool.children')).toBe(0);
  expect(await tried(undefined, 'set local row_security = off; select * from pool.children')).toBe('42501');
});
