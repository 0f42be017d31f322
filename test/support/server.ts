import { randomBytes } from 'node:crypto';
import postgres from 'postgres';

/** The superuser's URL of the server that the global set-up started, or that DATABASE_URL names. Tests use it to prepare, never to prove. */
export function adminUrl(database = 'postgres'): string {
  const base = process.env['DATABASE_URL'] ?? process.env['TENANCY_TEST_URL'];
  if (base === undefined) throw new Error('No test server: vitest’s global set-up did not run and DATABASE_URL is not set.');
  const url = new URL(base);
  url.pathname = `/${database}`;
  return url.href;
}

/** The URL of another login on the same server. */
export function urlOf(user: string, password: string, database: string): string {
  const url = new URL(adminUrl(database));
  url.username = encodeURIComponent(user);
  url.password = encodeURIComponent(password);
  return url.href;
}

/** A name of at most 8 characters that no other test file uses: roles and databases are named by it. */
export function uniquePrefix(): string {
  return `t${randomBytes(3).toString('hex')}`;
}

/** One superuser client; end it in afterAll. */
export function adminClient(database = 'postgres'): postgres.Sql {
  return postgres(adminUrl(database), { max: 1, onnotice: () => {} });
}

/** A fresh database that is dropped, sessions and all, when disposed. */
export async function createDatabase(name: string): Promise<AsyncDisposable & { readonly name: string; readonly url: string }> {
  const sql = adminClient();
  await sql.unsafe(`create database "${name}"`);
  await sql.end();
  return {
    name,
    url: adminUrl(name),
    async [Symbol.asyncDispose]() {
      const admin = adminClient();
      await admin.unsafe(`drop database if exists "${name}" with (force)`);
      await admin.end();
    },
  };
}

/** The server's major version. */
export async function serverMajor(): Promise<number> {
  const sql = adminClient();
  const [row] = await sql<{ n: number }[]>`select current_setting('server_version_num')::int / 10000 as n`;
  await sql.end();
  return row!.n;
}
