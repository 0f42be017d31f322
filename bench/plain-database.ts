import { readFile } from 'node:fs/promises';
import type { Sql } from 'postgres';
import { withAdmin } from './admin.ts';
import { fillTables } from './fill-tables.ts';

/** Where the subjects that know of no tenants work, and the one that gives each a schema; all log in as the database's namesake. */
export interface PlainDatabase {
  readonly name: string;
  readonly login: { readonly user: string; readonly password: string };
}

export interface PlainDatabaseOptions {
  readonly adminUrl: string;
  /** Of the database and of the login; whoever gave it drops them. */
  readonly name: string;
  readonly password: string;
  /** Tenants that share the schemas `open` and `guarded`, without policies and with plain ones. */
  readonly sharedTenants: readonly string[];
  /** Tenants that get a schema each, with tables that have no column tenant_id. */
  readonly schemaTenants: readonly string[];
  /** How many documents a subject's tenants have together; 0: none. */
  readonly documents: number;
}

const tables = ['products', 'movements', 'order_lines', 'documents', 'filed_documents'];

/** Makes a database with the same tables, rows and keys in every way that the other subjects know. */
export async function createPlainDatabase(options: PlainDatabaseOptions): Promise<PlainDatabase> {
  const { name, password, sharedTenants, schemaTenants, documents } = options;
  await withAdmin(options.adminUrl, async (admin) => {
    await admin.unsafe(`create role "${name}" login nosuperuser nobypassrls password '${password}'`);
    await admin.unsafe(`create database "${name}"`);
  });
  const migration = await readFile(new URL('./migrations/0001_stock.sql', import.meta.url), 'utf8');
  const url = new URL(options.adminUrl);
  url.pathname = `/${name}`;
  await withAdmin(url.href, async (admin) => {
    for (const schema of ['open', 'guarded']) {
      await makeSchema(admin, schema, migration, name);
      await fillTables(admin, sharedTenants, { tenantColumn: true, documents: documents / sharedTenants.length });
      if (schema === 'guarded') for (const table of tables) await guard(admin, table);
    }
    for (const tenantId of schemaTenants) {
      await makeSchema(admin, schemaOf(tenantId), withoutTenant(migration), name);
      await fillTables(admin, [tenantId], { tenantColumn: false, documents: documents / schemaTenants.length });
    }
  });
  return { name, login: { user: name, password } };
}

/** The schema of a tenant that has one to itself. */
export function schemaOf(tenantId: string): string {
  return `tenant_${tenantId.replaceAll('-', '_')}`;
}

async function makeSchema(admin: Sql, schema: string, migration: string, login: string): Promise<void> {
  await admin.unsafe(`create schema ${schema}; set search_path = ${schema}; ${migration}`);
  await admin.unsafe(
    `grant usage on schema ${schema} to "${login}"; grant select, insert, update on all tables in schema ${schema} to "${login}"`,
  );
}

async function guard(admin: Sql, table: string): Promise<void> {
  await admin.unsafe(`alter table ${table} enable row level security; create policy tenant on ${table}
    using (tenant_id = (select current_setting('bench.tenant', true))) with check (tenant_id = (select current_setting('bench.tenant', true)))`);
}

/** The same tables where everything in a schema is one tenant's. */
function withoutTenant(migration: string): string {
  return migration.replaceAll('  tenant_id text not null,\n', '').replaceAll('(tenant_id, ', '(');
}
