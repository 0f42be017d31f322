import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import { quoteIdentifier } from '../../../src/sql/identifier.ts';

/** The bytes of every file below a folder, one after the other; those that end while they are looked for are left. */
export async function* filesBelow(folder: string, skip: (name: string) => boolean = () => false): AsyncGenerator<Buffer> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (skip(entry.name)) continue;
    if (entry.isDirectory()) yield* filesBelow(path, skip);
    else if (entry.isFile()) yield await readFile(path).catch(() => Buffer.alloc(0));
  }
}

/** Every row of every table, catalogs and statistics too, of every database of a server, as text. */
export async function* serverDump(adminUrl: string): AsyncGenerator<Buffer> {
  const databases = await withClient(
    adminUrl,
    async (sql) => await sql<{ name: string }[]>`select datname::text as name from pg_catalog.pg_database where datallowconn`,
  );
  for (const { name } of databases) {
    const sql = postgres(urlFor(adminUrl, { database: name }), { max: 1, onnotice: () => {} });
    try {
      const tables = await sql<{ schema: string; name: string }[]>`
        select n.nspname::text as schema, c.relname::text as name
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'm') or (n.nspname, c.relname) = ('pg_catalog', 'pg_stat_activity')`;
      for (const table of tables) {
        const of = `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`;
        const rows = await sql.unsafe<{ row: string }[]>(`select t::text as row from ${of} t`);
        yield Buffer.from(rows.map(({ row }) => row).join('\n'));
      }
    } finally {
      await sql.end();
    }
  }
}
