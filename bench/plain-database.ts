import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import postgres, { type Sql } from 'postgres';
import { productsPerTenant } from './stock.ts';

/** Where the subjects that know of no tenants work: the same tables, rows and keys, once without policies and once with plain ones. */
export interface PlainDatabase extends AsyncDisposable {
  /** A service login's client on the tables without policies. */
  readonly open: Sql;
  /** The same on tables whose policies trust the setting `bench.tenant`. */
  readonly guarded: Sql;
}

/**
 * Makes a database and a login.
 *
 * @param name of both; whoever gave it drops them
 * @param connections of each client
 */
export async function createPlainDatabase(
  adminUrl: string,
  name: string,
  tenantIds: readonly string[],
  connections: number,
): Promise<PlainDatabase> {
  const password = randomBytes(24).toString('base64url');
  await asAdmin(adminUrl, async (admin) => {
    await admin.unsafe(`create role "${name}" login nosuperuser nobypassrls password '${password}'`);
    await admin.unsafe(`create database "${name}"`);
  });
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  await asAdmin(url.href, async (admin) => {
    const tables = await readFile(new URL('./migrations/0001_stock.sql', import.meta.url), 'utf8');
    for (const schema of ['open', 'guarded']) {
      await admin.unsafe(`create schema ${schema}; set search_path = ${schema}; ${tables}`);
      for (const tenantId of tenantIds) await fill(admin, tenantId);
      for (const table of schema === 'guarded' ? ['products', 'movements'] : []) {
        await admin.unsafe(`alter table ${table} enable row level security; create policy tenant on ${table}
          using (tenant_id = (select current_setting('bench.tenant', true))) with check (tenant_id = (select current_setting('bench.tenant', true)))`);
      }
      await admin.unsafe(
        `grant usage on schema ${schema} to "${name}"; grant select, insert on all tables in schema ${schema} to "${name}"; analyze`,
      );
    }
  });
  url.username = name;
  url.password = password;
  const client = (schema: string): Sql =>
    postgres(url.href, { max: connections, fetch_types: false, onnotice: () => {}, connection: { search_path: schema } });
  const open = client('open');
  const guarded = client('guarded');
  return {
    open,
    guarded,
    async [Symbol.asyncDispose]() {
      await Promise.all([open.end({ timeout: 5 }), guarded.end({ timeout: 5 })]);
    },
  };
}

async function fill(admin: Sql, tenantId: string): Promise<void> {
  await admin`
    insert into products (tenant_id, sku, description, stock)
    select ${tenantId}, 'SKU-' || n, 'Product number ' || n, n from generate_series(0, ${productsPerTenant - 1}::int) n`;
}

async function asAdmin(url: string, callback: (admin: Sql) => Promise<void>): Promise<void> {
  const admin = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
  try {
    await callback(admin);
  } finally {
    await admin.end({ timeout: 5 });
  }
}
