import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrateTarget } from '../../../src/migrate/migrate-target.ts';
import { urlOf } from '../../support/server.ts';
import { products, Workshop } from './workshop.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.open();
});
afterAll(async () => {
  await workshop?.[Symbol.asyncDispose]();
});

describe('what a migration would show to services', () => {
  it('refuses default privileges that would show new tables before their policies', async () => {
    const [target] = await workshop.tenants('priv-1');
    const source = await workshop.source({ '0001_products.sql': products });
    await workshop.admin.unsafe(
      `alter default privileges for role ${workshop.owner} in schema priv_1 grant select on tables to ${workshop.app}`,
    );
    const report = await migrateTarget(target!, source, workshop.options());
    expect(report.error?.message).toContain(`"${workshop.app}" before their policies exist`);
    expect(await workshop.columns('priv_1', 'products')).toEqual([]);
    await workshop.admin.unsafe(
      `alter default privileges for role ${workshop.owner} in schema priv_1 revoke select on tables from ${workshop.app}`,
    );
    expect((await migrateTarget(target!, source, workshop.options())).error).toBeUndefined();
  });

  it('PostgreSQL itself lets the service read a table that a migration granted, policies or not (the attack)', async () => {
    const [target] = await workshop.tenants('open-1');
    await workshop.admin.unsafe(
      `alter default privileges for role ${workshop.owner} in schema open_1 grant select on tables to ${workshop.app}`,
    );
    const owner = new pg.Client({ connectionString: workshop.ownerUrl });
    await owner.connect();
    await owner
      .query(`create table open_1.n (tenant_id text not null); insert into open_1.n values ('${target!.key}'), ('other')`)
      .finally(() => owner.end());
    const service = new pg.Client({ connectionString: urlOf(workshop.app, 'pw', workshop.database) });
    await service.connect();
    const { rows } = await service.query('select * from open_1.n').finally(() => service.end());
    expect(rows).toHaveLength(2);
  });

  it.each([
    ['grants a new table', 'create table n (tenant_id text not null); grant select on n to APP;'],
    ['grants a column of it', 'create table n (tenant_id text not null); grant select (tenant_id) on n to APP;'],
    [
      'grants what the guard of new tables has closed',
      'create table n (tenant_id text not null); alter table n enable row level security; create policy tenancy_unfinished on n to current_user using (true); grant truncate on n to APP;',
    ],
    ['grants to everybody', 'create table n (tenant_id text not null); grant select on n to public;'],
    ['grants a view that runs as its owner', 'create view n as select * from products; grant select on n to APP;'],
    ['grants a materialised view', 'create materialized view n as select * from products; grant select on n to APP;'],
    ['switches row-level security off', 'alter table products disable row level security;'],
  ])('refuses to commit a migration that %s', async (what, sql) => {
    const id = `grant-${what.length}`;
    await workshop.tenantWithRows(id);
    const report = await migrateTarget(
      workshop.target(id),
      await workshop.source({ '0001_products.sql': products, '0002_n.sql': sql.replace('APP', workshop.app) }),
      workshop.options(),
    );
    expect(report.error?.message).toContain('without row-level security');
    expect(report.applied).toEqual([]);
    expect(await workshop.columns(workshop.target(id).schema, 'n')).toEqual([]);
  });
});

describe('what is not the tenant’s alone', () => {
  it.each([
    ['drops a reference table by a name that the tenant lacks', 'drop table units;'],
    ['changes one', 'alter table units add column n int;'],
    ['writes to one', `insert into units values ('kg');`],
    ['writes to another tenant’s table', "insert into beyond_0.products values ('beyond-1', 1, 1);"],
  ])('refuses to commit a migration that %s', async (what, sql) => {
    const before = [...(await workshop.admin`select code from reference.units`)];
    const [other] = await workshop.admin`select to_regnamespace('beyond_0') as found`;
    if (other!['found'] === null) {
      const [target] = await workshop.tenants('beyond-0');
      await migrateTarget(
        target!,
        await workshop.source({ '0001_products.sql': products }),
        workshop.options({ afterMigrate: async () => {} }),
      );
    }
    const [target] = await workshop.tenants(`beyond-${what.length}`);
    const bare = new pg.Client({ connectionString: workshop.ownerUrl });
    await bare.connect();
    // The attack: nothing in PostgreSQL stands in its way, save row-level security on other tenants' rows.
    await bare.query(`begin; set local search_path to "${target!.schema}", reference; ${sql} rollback`).finally(() => bare.end());
    const report = await migrateTarget(target!, await workshop.source({ '0001_x.sql': sql }), workshop.options());
    expect(report.error?.message).toMatch(/not the tenant's alone/);
    expect([...(await workshop.admin`select code from reference.units`)]).toEqual(before);
  });

  it('lets a migration read reference tables, refer to them and drop what refers to them', async () => {
    const [target] = await workshop.tenants('refer-1');
    const report = await migrateTarget(
      target!,
      await workshop.source({
        '0001_a.sql':
          "create table a (tenant_id text not null, code text references currencies); insert into a select 'refer-1', code from currencies; create temp table t (a int); insert into t values (1);",
        '0002_b.sql': 'drop table a;',
      }),
      workshop.options(),
    );
    expect(report.error).toBeUndefined();
  });
});
