import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrateTarget } from '../../../src/migrate/migrate-target.ts';
import { urlOf } from '../../support/server.ts';
import { openPooler } from './pooler.ts';
import { products, Workshop } from './workshop.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.open();
});
afterAll(async () => {
  await workshop?.[Symbol.asyncDispose]();
});

describe('a failure in the middle', () => {
  it('leaves target, lock and session as they were before', async () => {
    await workshop.tenantWithRows('mid-1');
    const source = await workshop.source({
      '0001_products.sql': products,
      '0002_more.sql': 'alter table products add column a int; create table more (tenant_id text not null); select 1/0;',
    });
    const report = await migrateTarget(workshop.target('mid-1'), source, workshop.options());
    expect(report).toMatchObject({ outcome: 'failed', applied: [], error: { migration: '0002_more', cause: { sqlState: '22012' } } });
    expect(await workshop.columns('mid_1', 'products')).toEqual(['tenant_id', 'id', 'price']);
    expect(await workshop.columns('mid_1', 'more')).toEqual([]);
    expect(await workshop.leftovers()).toBe(0);
  });

  it('takes earlier pending migrations back too, in one transaction', async () => {
    const [target] = await workshop.tenants('mid-2');
    const report = await migrateTarget(
      target!,
      await workshop.source({
        '0001_products.sql': products,
        '0002_bad.mjs': 'export const up = () => { throw new Error("broken by hand"); };',
      }),
      workshop.options(),
    );
    expect(report.error?.message).toBe('The migration "0002_bad" of mid-2 failed: broken by hand.');
    expect(await workshop.columns('mid_2', 'products')).toEqual([]);
    expect(workshop.ledger.has('mid-2')).toBe(false);
  });

  it('says no value of a row', async () => {
    await workshop.tenantWithRows('mid-3');
    const report = await migrateTarget(
      workshop.target('mid-3'),
      await workshop.source({
        '0001_products.sql': products,
        '0002_bad.sql': `alter table products add column card text; update products set card = '4111-' || id; alter table products alter card type int using card::int;`,
      }),
      workshop.options(),
    );
    expect(report.error).toMatchObject({ migration: '0002_bad', cause: { sqlState: '22P02' } });
    expect(`${report.error?.message} ${report.error?.stack} ${String(report.error?.cause)}`).not.toContain('4111');
  });

  it('refuses a migration that ends the transaction by itself', async () => {
    const [target] = await workshop.tenants('mid-4');
    const report = await migrateTarget(
      target!,
      await workshop.source({ '0001_a.sql': 'create table a (tenant_id text not null); rollback;' }),
      workshop.options(),
    );
    expect(report.error).toMatchObject({ migration: '0001_a' });
    expect(report.error?.message).toContain('ROLLBACK');
    expect(await workshop.columns('mid_4', 'a')).toEqual([]);
  });

  it('heals an interruption between migration, policies and ledger when it is run again', async () => {
    const [target] = await workshop.tenants('heal-1');
    const source = await workshop.source({ '0001_products.sql': products });
    const crash = await migrateTarget(
      target!,
      source,
      workshop.options({
        afterMigrate: async () => {
          throw new Error('interrupted');
        },
      }),
    );
    expect(crash).toMatchObject({ outcome: 'failed', applied: ['0001_products'] });
    expect(crash.error?.message).toContain('What had been committed before stays: 0001_products.');
    const service = new pg.Client({ connectionString: urlOf(workshop.app, 'pw', workshop.database) });
    await service.connect();
    await expect(service.query('select * from heal_1.products')).rejects.toThrow(/permission denied/);
    const noLedger = await migrateTarget(
      target!,
      source,
      workshop.options({
        recordLedger: async () => {
          throw new Error('interrupted');
        },
      }),
    );
    expect(noLedger.outcome).toBe('failed');
    expect(await migrateTarget(target!, source, workshop.options())).toMatchObject({ outcome: 'migrated', applied: [], error: undefined });
    expect(workshop.ledger.get('heal-1')).toHaveLength(1);
    expect((await service.query('select * from heal_1.products')).rows).toEqual([]);
    await service.end();
  });
});

describe('a connection that dies', () => {
  it('fails this run only, as something to try again', async () => {
    const [target] = await workshop.tenants('dead-1');
    const source = await workshop.source({
      '0001_products.sql': `${products} do $$ begin if current_setting('tenancy.context') = 'slow' then perform pg_sleep(5); end if; end $$;`,
    });
    const kill = (): void => {
      setTimeout(
        () =>
          void workshop.admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'tenancy-migrate'`.then(
            () => {},
          ),
        150,
      );
    };
    const report = await migrateTarget({ ...target!, contextToken: () => 'slow' }, source, { ...workshop.options(), onStart: kill });
    expect(report).toMatchObject({ outcome: 'failed', applied: [], error: { retryable: true, migration: '0001_products' } });
    expect(report.durationMs).toBeLessThan(4_000);
    expect(await migrateTarget(target!, source, workshop.options())).toMatchObject({ outcome: 'migrated', applied: ['0001_products'] });
  });

  it('is no pooler’s: a backend that is not the session’s own is refused', async () => {
    const [target] = await workshop.tenants('pool-1');
    const source = await workshop.source({ '0001_products.sql': products });
    await using pooler = await openPooler(workshop.ownerUrl);
    const report = await migrateTarget({ ...target!, ownerUrl: pooler.url }, source, workshop.options());
    expect(report.error?.message).toMatch(/goes through a pooler/);
    expect(await workshop.columns('pool_1', 'products')).toEqual([]);
  });
});

describe('a lock that others hold', () => {
  it('gives up on a locked table in time, as something to try again', async () => {
    await workshop.tenantWithRows('lock-1');
    const blocker = new pg.Client({ connectionString: workshop.ownerUrl });
    await blocker.connect();
    await blocker.query('begin; lock table lock_1.products in access share mode');
    const report = await migrateTarget(
      workshop.target('lock-1'),
      await workshop.source({ '0001_products.sql': products, '0002_a.sql': 'alter table products add column a int' }),
      { ...workshop.options(), lockTimeoutMs: 100 },
    );
    await blocker.query('rollback');
    await blocker.end();
    expect(report.error).toMatchObject({ retryable: true, cause: { sqlState: '55P03' } });
  });
});
