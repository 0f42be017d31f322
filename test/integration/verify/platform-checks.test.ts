import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Cluster } from '../../../src/catalog/cluster.ts';
import { checkClock } from '../../../src/verify/clock-check.ts';
import type { VerifiedDatabase } from '../../../src/verify/database-check.ts';
import { probeDatabase } from '../../../src/verify/live-probes.ts';
import { checkOrphans } from '../../../src/verify/orphan-check.ts';
import { checkCatalogListens, checkPooler } from '../../../src/verify/pooler-check.ts';
import { PolicyDatabase } from '../../attacks/policy-database.ts';
import { pgbouncerVersion, startPgBouncer } from '../../support/pgbouncer.ts';
import { adminUrl } from '../../support/server.ts';

const ddl = `
  create table products (tenant_id text not null, id int not null, primary key (tenant_id, id));
  create table stock (tenant_id text not null, product int, currency text references reference.currencies (code), primary key (tenant_id, product),
    foreign key (tenant_id, product) references products (tenant_id, id));
`;
let db: PolicyDatabase;
let verified: VerifiedDatabase;
const restore: string[] = [];

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.asOwner(
    undefined,
    `create table reference.currencies (code text primary key); insert into reference.currencies values ('EUR'); grant select on reference.currencies to ${db.app}`,
  );
  await db.tenant('acme', ddl);
  await db.pool(ddl);
  for (const [tenant, schema] of [
    ['acme', 'acme'],
    ['bolt', 'pool'],
    ['core', 'pool'],
  ] as const)
    await db.as(
      db.token(tenant),
      `insert into ${schema}.products values ('${tenant}', 1); insert into ${schema}.stock values ('${tenant}', 1, 'EUR')`,
    );
  verified = {
    clusterId: 'local',
    database: db.database,
    ownerRole: db.owner,
    appRole: db.app,
    schemas: [
      { schema: 'acme', isolation: 'schema', tenantId: 'acme' },
      { schema: 'pool', isolation: 'row' },
    ],
  };
});
afterEach(async () => {
  for (const sql of restore.splice(0).reverse()) await db.admin.unsafe(sql);
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

describe('foreign keys counted again', () => {
  const orphans = async () =>
    (await checkOrphans(db.ownerSql, db.signer(db.owner), verified)).findings.map(({ id, location, message }) => [
      id,
      location.split(' ')[1],
      message,
    ]);

  test('are content with rows as they should be', async () => {
    expect(await checkOrphans(db.ownerSql, db.signer(db.owner), verified)).toEqual({ findings: [], checked: 4 });
  });

  test.each([
    ['acme', 'tenant_id, product', `delete from acme.products`],
    ['pool', 'tenant_id, product', `delete from pool.products where tenant_id = 'bolt'`],
  ])('%s: a row that refers to none', async (schema, _key, remove) => {
    restore.push(`insert into ${schema}.products select tenant_id, product from ${schema}.stock on conflict do nothing`);
    // As the check is passed by: PostgreSQL's own trigger does not fire.
    await db.admin.unsafe(`begin; set local session_replication_role = replica; ${remove}; commit`);
    expect(await orphans()).toEqual([['orphan-rows', `${schema}.stock`, expect.stringContaining('One row')]]);
  });

  test('a reference row that is gone', async () => {
    restore.push(`insert into reference.currencies values ('EUR')`);
    await db.admin.unsafe(`begin; set local session_replication_role = replica; delete from reference.currencies; commit`);
    expect((await orphans()).map(([id, table]) => [id, table])).toEqual([
      ['orphan-rows', 'acme.stock'],
      ['orphan-rows', 'pool.stock'],
    ]);
  });

  test('a row that refers to another tenant’s', async () => {
    restore.push(`alter table pool.stock drop column points; alter table pool.products drop column global`);
    await db.admin.unsafe(
      `alter table pool.products add column global int generated always as identity unique; alter table pool.stock add column points int references pool.products (global)`,
    );
    expect(await orphans()).toEqual([]);
    await db.admin.unsafe(
      `update pool.stock set points = (select global from pool.products where tenant_id = 'core') where tenant_id = 'bolt'`,
    );
    expect(await orphans()).toEqual([['cross-tenant-reference', 'pool.stock', expect.stringContaining('another tenant')]]);
  });
});

describe('forged contexts', () => {
  const ids = async () => (await probeDatabase({ sql: db.client(db.app), signer: db.signer() }, verified)).findings.map(({ id }) => id);
  test('are refused, or found', async () => {
    expect(await ids()).toEqual([]);
    const [row] = await db.admin<{ def: string }[]>`select pg_get_functiondef('tenancy.verified_context()'::regprocedure) as def`;
    restore.push(row!.def);
    await db.admin.unsafe(
      row!.def.replace(
        /\$function\$[\s\S]*\$function\$/,
        () => `$$ begin return nullif(split_part(current_setting('tenancy.context', true), ':', 3), ''); end $$`,
      ),
    );
    expect(await ids()).toContain('probe-context');
  });
});

test('a plan that verifies the context for each row is found', async () => {
  restore.push(
    `drop policy loose on pool.products; alter policy tenancy_tenant on pool.products using (tenant_id = (select tenancy.current_tenant_id()) and tenant_id = (select pg_catalog.split_part(pg_catalog.current_setting('tenancy.context', true), ':', 3)))`,
  );
  await db.admin.unsafe(`create policy loose on pool.products as restrictive using (tenant_id = tenancy.current_tenant_id())`);
  const { findings } = await probeDatabase({ sql: db.client(db.app), signer: db.signer() }, verified);
  expect(findings.map(({ id, location }) => [id, location.split(' ')[1]])).toEqual([['plan-per-row', 'pool.products']]);
});

test('the clock of a server on this machine is this machine’s', async () => {
  expect(await checkClock(db.appSql, verified)).toEqual({ findings: [], checked: 1 });
});

describe.runIf(pgbouncerVersion() !== undefined)('a pooler', () => {
  const url = (): URL => new URL(adminUrl(db.database));
  const cluster = (port: number, pooled: boolean): Cluster => ({
    id: 'local',
    region: 'here',
    host: url().hostname,
    port,
    rolePrefix: db.prefix,
    dedicated: false,
    pooled,
    maxLanes: 1,
    tls: 'disable',
  });

  test('is told from the server by what answers, whatever the cluster is marked as', async () => {
    const server = Number(url().port || 5432);
    await using pooler = await startPgBouncer({ host: url().hostname, port: server }, new Map([[db.app, db.password]]));
    const found = async (port: number, pooled: boolean) =>
      (await checkPooler(cluster(port, pooled), { user: db.app, password: db.password }, verified)).findings.map(({ id }) => id);
    expect(await found(server, false)).toEqual([]);
    expect(await found(server, true)).toEqual(['pooler-absent']);
    expect(await found(pooler.port, true)).toEqual([]);
    expect(await found(pooler.port, false)).toEqual(['pooler-unmarked']);
    expect(await found(1, false)).toEqual(['service-address-closed']);
    const through = postgres({
      host: url().hostname,
      port: pooler.port,
      database: db.database,
      username: db.app,
      password: db.password,
      max: 1,
      prepare: false,
      fetch_types: false,
    });
    expect((await checkCatalogListens(through)).findings.map(({ id }) => id)).toEqual(['catalog-pooled']);
    await through.end();
    expect((await checkCatalogListens(db.appSql)).findings).toEqual([]);
  });
});
