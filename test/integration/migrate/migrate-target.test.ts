import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadMigrations } from '../../../src/migrate/load-migrations.ts';
import { migrateTarget } from '../../../src/migrate/migrate-target.ts';
import { adminUrl } from '../../support/server.ts';
import { products, Workshop } from './workshop.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.open();
});
afterAll(async () => {
  await workshop?.[Symbol.asyncDispose]();
});

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));

describe('both kinds of migrations', () => {
  it('node-pg-migrate: SQL, modules, TypeScript, and an index built concurrently', async () => {
    const [target] = await workshop.tenants('npm-1');
    const started: string[] = [];
    const source = await loadMigrations(fixture('migrations'));
    const report = await migrateTarget(target!, source, workshop.options());
    expect(report.error).toBeUndefined();
    expect(report.applied).toEqual(['0001_products', '0002_orders', '0003_states', '0004_lookup']);
    expect(await workshop.columns('npm_1', 'orders')).toEqual(['tenant_id', 'id', 'product_id', 'quantity', 'state']);
    const [index] = await workshop.admin`select indisvalid from pg_index where indexrelid = 'npm_1.orders_product'::regclass`;
    expect(index).toEqual({ indisvalid: true });
    expect(workshop.ledger.get('npm-1')?.map(({ checksum }) => checksum)).toEqual(source.migrations.map(({ checksum }) => checksum));
    const again = await migrateTarget(target!, source, {
      ...workshop.options(),
      ledger: workshop.ledger.get('npm-1'),
      onStart: (name) => started.push(name),
    });
    expect(again).toMatchObject({ outcome: 'migrated', applied: [] });
    expect(started).toEqual([]);
  });

  it('drizzle-kit: every table, type, view and sequence stands in the tenant’s schema, nothing in public', async () => {
    const names = `select 'class ' || relname as name, relnamespace::regnamespace::text as schema from pg_class where relkind in ('r','v','S','i') and relnamespace in ('public'::regnamespace, 'dk_1'::regnamespace, 'dk_2'::regnamespace)
      union all select 'type ' || typname, typnamespace::regnamespace::text from pg_type where typtype = 'e' and typnamespace in ('public'::regnamespace, 'dk_1'::regnamespace, 'dk_2'::regnamespace) order by 1`;
    const targets = await workshop.tenants('dk-1', 'dk-2');
    const source = await loadMigrations(fixture('migrations-drizzle'));
    for (const target of targets) expect((await migrateTarget(target, source, workshop.options())).error).toBeUndefined();
    const rows = await workshop.admin.unsafe(names);
    expect(rows.filter(({ schema }) => schema === 'public')).toEqual([]);
    const of = (schema: string): unknown[] => rows.filter((row) => row['schema'] === schema).map(({ name }) => name);
    expect(of('dk_1')).toEqual(of('dk_2'));
    expect(of('dk_1')).toEqual(
      expect.arrayContaining(['class products', 'class suppliers', 'class stock', 'type kind', 'type status', 'class products_status_idx']),
    );
    const [key] =
      await workshop.admin`select confrelid::regclass::text as target from pg_constraint where conname = 'products_currency_currencies_code_fk' and connamespace = 'dk_2'::regnamespace`;
    expect(key).toEqual({ target: 'reference.currencies' });
    const [stock] =
      await workshop.admin`select confrelid::regclass::text as target from pg_constraint where contype = 'f' and conrelid = 'dk_2.stock'::regclass`;
    expect(stock).toEqual({ target: 'dk_2.products' });
  });

  it('the rewriter is what keeps public out: as drizzle-kit wrote it, types and views land there', async () => {
    const [target] = await workshop.tenants('dk-raw');
    const source = await loadMigrations(fixture('migrations-drizzle'));
    const raw = await readFile(`${fixture('migrations-drizzle')}/0000_initial.sql`, 'utf8');
    const client = new pg.Client({ connectionString: workshop.ownerUrl });
    await client.connect();
    await client.query(`begin; set search_path to "${target!.schema}"`);
    await client.query(raw.slice(0, raw.indexOf('--> statement-breakpoint')));
    const { rows } = await client.query(
      `select typnamespace::regnamespace::text as schema from pg_type where typname = 'status' and typnamespace = 'public'::regnamespace`,
    );
    expect(rows).toEqual([{ schema: 'public' }]);
    await client.query('rollback');
    await client.end();
    expect(source.migrations[0]?.name).toBe('0000_initial');
  });
});

describe('outside a transaction', () => {
  it('SQL, pgm.createIndex and pgm.db all may build an index concurrently', async () => {
    const [target] = await workshop.tenants('conc-1');
    const report = await migrateTarget(
      target!,
      await workshop.source({
        '0001_all.sql': `${products}\ncreate index concurrently a on products (price);\ncreate unique index concurrently b on products (tenant_id, id, price);`,
        '0002_pgm.mjs': `export const up = (pgm) => { pgm.createIndex('products', ['price', 'id'], { name: 'c', concurrently: true }); };`,
        '0003_db.mjs': `export const up = async (pgm) => { pgm.noTransaction(); await pgm.db.query('create index concurrently d on products (id)'); };`,
        '0004_after.sql': 'alter table products add column after int;',
      }),
      workshop.options(),
    );
    expect(report.error).toBeUndefined();
    expect(report.applied).toHaveLength(4);
    const rows =
      await workshop.admin`select relname from pg_class where relnamespace = 'conc_1'::regnamespace and relkind = 'i' and length(relname) = 1 order by 1`;
    expect(rows.map(({ relname }) => relname)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('says what stays when a later one fails, protects it and records it', async () => {
    const [target] = await workshop.tenants('conc-2');
    const report = await migrateTarget(
      target!,
      await workshop.source({
        '0001_products.sql': products,
        '0002_index.sql': 'create index concurrently a on products (price);',
        '0003_bad.sql': 'select 1/0;',
      }),
      workshop.options(),
    );
    expect(report).toMatchObject({ outcome: 'failed', applied: ['0001_products', '0002_index'], error: { migration: '0003_bad' } });
    expect(report.error?.message).toContain('stays: 0001_products, 0002_index');
    expect(workshop.ledger.get('conc-2')).toHaveLength(2);
    expect([...(await workshop.admin`select relforcerowsecurity as f from pg_class where oid = 'conc_2.products'::regclass`)]).toEqual([
      { f: true },
    ]);
    expect(await workshop.leftovers()).toBe(0);
  });

  it('a value added to an enum can be used by the next migration', async () => {
    const [target] = await workshop.tenants('enum-1');
    expect(
      (await migrateTarget(target!, await workshop.source({ '0001_t.sql': `create type s as enum ('a');` }), workshop.options())).error,
    ).toBeUndefined();
    const report = await migrateTarget(
      target!,
      await workshop.source({
        '0001_t.sql': `create type s as enum ('a');`,
        '0002_v.sql': `alter type s add value 'b';`,
        '0003_u.sql': `create table u (tenant_id text not null, s s default 'b');`,
      }),
      workshop.options(),
    );
    expect(report.error).toBeUndefined();
  });

  it('node-pg-migrate alone fails there (the attack)', async () => {
    const [target] = await workshop.tenants('enum-2');
    await workshop.admin.unsafe(`set role ${workshop.owner}; create type enum_2.s as enum ('a'); reset role`);
    const source = await workshop.source({
      '0002_v.sql': `alter type s add value 'b';`,
      '0003_u.sql': `create table u (tenant_id text not null, s s default 'b');`,
    });
    const quiet = { info: () => {}, warn: () => {}, error: () => {} };
    await expect(
      runner({
        databaseUrl: workshop.ownerUrl,
        dir: source.directory,
        direction: 'up',
        schema: target!.schema,
        migrationsTable: 'pgmigrations',
        singleTransaction: true,
        logger: quiet,
      }),
    ).rejects.toThrow(/unsafe use/);
  });
});

describe('before anything is run', () => {
  it.each<[string, Parameters<Workshop['target']>[1], RegExp]>([
    ['a schema that is not a plain name', { schema: 'a"; drop schema reference cascade; --' }, /not a schema/],
    ['schema public', { schema: 'public' }, /not a schema/],
    ['a schema that does not exist', { schema: 'absent_1' }, /does not exist/],
  ])('refuses %s', async (_, changes, message) => {
    const report = await migrateTarget(
      workshop.target('bad-1', changes),
      await workshop.source({ '0001_products.sql': products }),
      workshop.options(),
    );
    expect(report.outcome).toBe('failed');
    expect(report.error?.message).toMatch(message);
  });

  it('refuses a login above row-level security', async () => {
    const [target] = await workshop.tenants('super-1');
    const report = await migrateTarget(
      { ...target!, ownerUrl: adminUrl(workshop.database) },
      await workshop.source({ '0001_products.sql': products }),
      workshop.options(),
    );
    expect(report.error?.message).toMatch(/above row-level security/);
  });
});
