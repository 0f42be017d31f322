import { sql as drizzleSql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Auditor } from '../../src/audit/auditor.ts';
import { createScopedDatabase } from '../../src/database/scoped-database.ts';
import { NotSupportedError, PolicyViolationError, QueryFailedError } from '../../src/errors.ts';
import { archive, products, schema } from '../integration/database/sample-schema.ts';
import { type SampleWorld, sampleWorld } from '../integration/database/sample-world.ts';
import { DirectPool, DirectRouter, runAs } from '../support/direct-route.ts';
import { adminClient, uniquePrefix, urlOf } from '../support/server.ts';

const login = `${uniquePrefix()}_app`;
const password = 'p4ssw0rd-of-a-test';
let world: SampleWorld;
let client: postgres.Sql;
let scoped: SampleWorld['scoped'];

/** A login under a policy that answers as the real ones do: quietly no rows, loudly 42501 where a function refuses. */
beforeAll(async () => {
  world = await sampleWorld();
  const database = (await world.admin.unsafe('select current_database() as name'))[0]!['name'] as string;
  await world.admin.unsafe(`
    create role ${login} login password '${password}';
    create function pool.require_tenant(given text) returns text language plpgsql as $$ begin
      if given <> current_setting('tenancy.context', true) then
        raise exception 'tenancy: tenant % may not use rows of tenant %', current_setting('tenancy.context', true), given using errcode = '42501';
      end if; return given; end $$;
    alter table pool.archive enable row level security;
    create policy tenancy_tenant on pool.archive using (tenant_id = current_setting('tenancy.context', true));
    grant usage on schema pool, reference to ${login}; grant select, insert, update, delete on all tables in schema pool to ${login};`);
  client = postgres(urlOf(login, password, database), { max: 1, onnotice: () => {}, fetch_types: false });
  scoped = createScopedDatabase({
    schema,
    router: new DirectRouter(new DirectPool(client), { alpha: 'pool', beta: 'pool', gamma: 'pool' }),
    keys: world.keys,
    auditor: new Auditor([world.sink]),
  });
});
afterAll(async () => {
  await client.end();
  await world.admin.unsafe(`drop owned by ${login}; drop role ${login}`);
  await world[Symbol.asyncDispose]();
});
beforeEach(() => {
  world.sink.events.length = 0;
  world.sink.broken = false;
});

describe('a refusal of PostgreSQL', () => {
  it('is recorded before it is thrown, with both tenants', async () => {
    // Control: with its own tenant the same statement passes.
    await expect(runAs('alpha', () => scoped.sql`select pool.require_tenant(${'alpha'})`)).resolves.toHaveLength(1);
    const error = await runAs('alpha', () => scoped.sql`select pool.require_tenant(${'beta'})`).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PolicyViolationError);
    expect(world.sink.events).toMatchObject([
      { action: 'query.policy', outcome: 'refused', tenantId: 'alpha', targetTenantId: 'beta', errorCode: '42501' },
    ]);
    expect(error).toMatchObject({ auditId: world.sink.events[0]!.id, tenantId: 'alpha', sqlState: '42501' });
  });

  it('in a transaction, once', async () => {
    const attempt = runAs('alpha', () =>
      scoped.db.transaction(async (tx) => {
        await tx.execute(`insert into archive (tenant_id, id, sku, owner) values ('beta', 900, 'x', 'x')`);
      }),
    );
    await expect(attempt).rejects.toBeInstanceOf(PolicyViolationError);
    expect(world.sink.events).toHaveLength(1);
  });

  it('stays one when the audit can’t be kept', async () => {
    world.sink.broken = true;
    await expect(
      runAs('alpha', () => scoped.sql`insert into archive (tenant_id, id, sku, owner) values ('beta', 901, 'x', 'x')`),
    ).rejects.toBeInstanceOf(PolicyViolationError);
  });

  it('control: stock drizzle puts the parameters into its error’s message', async () => {
    const client = adminClient();
    const error = await drizzle(client)
      .execute(drizzleSql`select ${'secret-value'}::int`)
      .catch((thrown: unknown) => thrown);
    await client.end();
    expect(String(error)).toContain('secret-value');
  });

  it('carries no parameter, and drizzle’s own error never surfaces', async () => {
    const error = await runAs('alpha', () => scoped.db.insert(archive).values([{ id: 1, sku: 'secret-value', owner: 'x' }])).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(QueryFailedError);
    expect((error as Error).constructor.name).not.toBe('DrizzleQueryError');
    expect(error).not.toHaveProperty('params');
  });
});

describe('raw SQL', () => {
  it('is held by row-level security alone', async () => {
    // Control: the superuser's lane has no policy in its way.
    expect(await runAs('alpha', () => world.scoped.sql`select * from archive`)).toHaveLength(6);
    expect(await runAs('alpha', () => scoped.sql`select * from archive`)).toHaveLength(2);
    expect(await runAs('alpha', () => scoped.db.execute('select * from archive'))).toHaveLength(2);
    expect(await runAs('alpha', () => scoped.db.execute(drizzleSql`select * from ${archive} where ${archive.id} = ${9}`))).toMatchObject([
      { tenant_id: 'alpha', id: 9 },
    ]);
  });

  it('takes values as parameters, composes fragments and quotes names', async () => {
    const evil = `x' or true --`;
    const { sql } = scoped;
    await runAs('alpha', async () => {
      expect(await sql`select * from archive where sku = ${evil}`).toHaveLength(0);
      const condition = sql`sku = any(${'{apple,old}'}) and ${archive.id} = ${9}`;
      const rows = await sql<{ id: number }>`select ${sql.identifier('id')} from ${archive} where ${condition}`;
      expect(rows).toMatchObject([{ id: 9 }]);
      expect([rows.count, rows.command]).toEqual([1, 'SELECT']);
      await expect(sql`select ${sql.identifier('id" from archive; --')}`).rejects.toBeInstanceOf(QueryFailedError);
    });
    expect(() => (sql as unknown as (text: string) => unknown)('select 1')).toThrow(NotSupportedError);
    expect(() => sql`select ${undefined}`).toThrow(NotSupportedError);
    await expect(runAs('alpha', () => sql`${sql.identifier('a\0b')}`)).rejects.toBeInstanceOf(NotSupportedError);
  });

  it('an OR or an unclosed comment in a builder’s condition does not reach past the predicate', async () => {
    const owners = async (condition: string) => {
      const rows = await runAs('alpha', () =>
        world.scoped.db.select({ owner: products.owner }).from(products).where(drizzleSql.raw(condition)),
      );
      return new Set(rows.map(({ owner }) => owner));
    };
    expect(await owners('true or true')).toEqual(new Set(['alpha']));
    await expect(owners('true --')).rejects.toBeInstanceOf(QueryFailedError);
    await expect(owners('true /*')).rejects.toBeInstanceOf(QueryFailedError);
  });
});
