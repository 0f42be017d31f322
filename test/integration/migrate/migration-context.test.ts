import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MigrationError } from '../../../src/errors.ts';
import { migrateTarget } from '../../../src/migrate/migrate-target.ts';
import { contextRenewalMs, type MigrationTarget } from '../../../src/migrate/migration-target.ts';
import { products, Workshop } from './workshop.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.open();
});
afterAll(async () => {
  await workshop?.[Symbol.asyncDispose]();
});

describe('the context of a migration', () => {
  const backfill = { '0001_products.sql': products, '0002_prices.sql': 'update products set price = price * 2;' };
  const prices = (schema: string): Promise<unknown> =>
    workshop.admin
      .unsafe(`select tenant_id, id, price from ${schema}.products order by 1, 2`)
      .then((rows) => rows.map(({ price }) => price));

  it('without it a backfill touches no row, and nothing is said (the attack)', async () => {
    await workshop.tenantWithRows('bare-1');
    const report = await migrateTarget(
      workshop.target('bare-1', { contextToken: () => '' }),
      await workshop.source(backfill),
      workshop.options(),
    );
    expect(report).toMatchObject({ outcome: 'migrated', applied: ['0002_prices'] });
    expect(await prices('bare_1')).toEqual([10, 20, 30]);
  });

  it('with it a backfill touches the tenant’s rows, and no other’s', async () => {
    await workshop.tenantWithRows('ctx-1');
    const report = await migrateTarget(workshop.target('ctx-1'), await workshop.source(backfill), workshop.options());
    expect(report.error).toBeUndefined();
    expect(await prices('ctx_1')).toEqual([20, 40, 30]);
  });

  const key = {
    '0001_products.sql': products,
    '0002_stock.sql': 'create table stock (tenant_id text not null, product_id int not null, primary key (tenant_id, product_id));',
    '0003_key.sql':
      'alter table stock add constraint stock_product foreign key (tenant_id, product_id) references products (tenant_id, id);',
  };
  const { '0003_key.sql': _, ...stock } = key;
  const orphan = async (id: string): Promise<void> => {
    await workshop.tenantWithRows(id);
    expect((await migrateTarget(workshop.target(id), await workshop.source(stock), workshop.options())).error).toBeUndefined();
    await workshop.admin.unsafe(`insert into ${workshop.target(id).schema}.stock values ('${id}', 1), ('${id}', 99)`);
  };

  it('without it a foreign key over an orphan is recorded as valid (the attack)', async () => {
    await orphan('bare-2');
    const report = await migrateTarget(
      workshop.target('bare-2', { contextToken: () => '' }),
      await workshop.source(key),
      workshop.options(),
    );
    expect(report.outcome).toBe('migrated');
    expect([
      ...(await workshop.admin`select convalidated from pg_constraint where conname = 'stock_product' and connamespace = 'bare_2'::regnamespace`),
    ]).toEqual([{ convalidated: true }]);
  });

  it('with it that foreign key fails and leaves nothing', async () => {
    await orphan('ctx-2');
    const report = await migrateTarget(workshop.target('ctx-2'), await workshop.source(key), workshop.options());
    expect(report).toMatchObject({
      outcome: 'failed',
      applied: [],
      error: { migration: '0003_key', tenantId: 'ctx-2', cause: { sqlState: '23503' } },
    });
    expect(report.error).toBeInstanceOf(MigrationError);
    expect(String(report.error)).not.toContain('99');
    expect([
      ...(await workshop.admin`select 1 from pg_constraint where conname = 'stock_product' and connamespace = 'ctx_2'::regnamespace`),
    ]).toEqual([]);
    expect(workshop.ledger.get('ctx-2')?.map(({ migration }) => migration)).toEqual(['0001_products', '0002_stock']);
  });

  it('a forged one fails the migration at the first row that it would touch', async () => {
    await workshop.tenantWithRows('ctx-6');
    const report = await migrateTarget(
      workshop.target('ctx-6', { contextToken: (pid) => workshop.signer.sign('ctx-6', pid).replace('ctx-6', 'other') }),
      await workshop.source(backfill),
      workshop.options(),
    );
    expect(report).toMatchObject({
      outcome: 'failed',
      error: { migration: '0002_prices', cause: { code: 'POLICY_VIOLATION', sqlState: '42501' } },
    });
    expect(await prices('ctx_6')).toEqual([10, 20, 30]);
  });

  it('in a schema that all tenants share only the maintenance context reaches all rows', async () => {
    const [{ schema }] = (await workshop.tenants('pool')) as [MigrationTarget];
    const pool = (contextToken: MigrationTarget['contextToken']): MigrationTarget =>
      workshop.target('pool', { key: 'local/pool', isolation: 'row', tenantId: undefined, contextToken });
    const maintenance = pool((pid) => workshop.signer.signMaintenance(pid));
    expect(
      (await migrateTarget(maintenance, await workshop.source({ '0001_products.sql': products }), workshop.options())).error,
    ).toBeUndefined();
    await workshop.admin.unsafe(`insert into ${schema}.products values ('a', 1, 10), ('b', 1, 20)`);
    const asTenant = await migrateTarget(
      pool((pid) => workshop.signer.sign('a', pid)),
      await workshop.source(backfill),
      workshop.options(),
    );
    expect(asTenant.error).toBeUndefined();
    expect(await prices(schema)).toEqual([20, 20]);
    const next = await workshop.source({ ...backfill, '0003_again.sql': 'update products set price = price + 1;' });
    expect((await migrateTarget(maintenance, next, workshop.options())).error).toBeUndefined();
    expect(await prices(schema)).toEqual([21, 21]);
    expect(workshop.ledger.get('local/pool')).toHaveLength(3);
  });

  it('is signed for the session’s backend before every migration, whatever the one before did to the session', async () => {
    const [target] = await workshop.tenants('ctx-3');
    const pids: number[] = [];
    const source = await workshop.source({
      '0001_a.sql': `create table a (tenant_id text not null); set search_path to pg_catalog; select set_config('tenancy.context', '', false);`,
      '0002_b.sql': `create table b (tenant_id text not null, path text default 'x'); insert into b values (current_setting('tenancy.context'), current_setting('search_path'));`,
    });
    const report = await migrateTarget(
      {
        ...target!,
        contextToken: (pid) => {
          pids.push(pid);
          return `ctx-3:${pid}`;
        },
      },
      source,
      workshop.options(),
    );
    expect(report.error).toBeUndefined();
    expect([...(await workshop.admin`select * from ctx_3.b`)]).toEqual([
      { tenant_id: `ctx-3:${pids[0]}`, path: '"ctx_3", "reference", "extensions", pg_temp' },
    ]);
    expect(pids.length).toBe(3);
    expect(new Set(pids).size).toBe(1);
  });

  it('is never statement text, which others of the same login can read', async () => {
    const [target] = await workshop.tenants('ctx-4');
    const source = await workshop.source({ '0001_a.mjs': 'export const up = () => globalThis.lookNow();' });
    const seen: unknown[] = [];
    const lookNow = async (): Promise<void> => {
      const rows = await workshop.admin`
        select query from pg_stat_activity where application_name = 'tenancy-migrate' and datname = current_database()`;
      seen.push(...rows.map(({ query }) => query));
    };
    Object.assign(globalThis, { lookNow });
    const report = await migrateTarget({ ...target!, contextToken: () => 'the-token' }, source, workshop.options());
    expect(report.error).toBeUndefined();
    expect(seen).toEqual([expect.stringContaining(`set_config('tenancy.context', $1, false)`)]);
    expect(String(seen)).not.toContain('the-token');
  });

  it('is renewed in the middle of a long migration', async () => {
    const [target] = await workshop.tenants('ctx-5');
    const source = await workshop.source({
      '0001_a.mjs': `export const up = (pgm) => { for (let i = 0; i < 4; i += 1) pgm.sql("create table a" + i + " (tenant_id text not null default current_setting('tenancy.context')); insert into a" + i + " default values"); };`,
    });
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
      now += contextRenewalMs;
      return now;
    });
    let calls = 0;
    const report = await migrateTarget({ ...target!, contextToken: () => `token-${calls++}` }, source, workshop.options());
    clock.mockRestore();
    expect(report.error).toBeUndefined();
    const rows =
      await workshop.admin`select tenant_id from ctx_5.a0 union select tenant_id from ctx_5.a1 union select tenant_id from ctx_5.a2 union select tenant_id from ctx_5.a3`;
    expect(rows).toHaveLength(4);
  });
});
