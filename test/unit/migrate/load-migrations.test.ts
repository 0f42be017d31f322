import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigurationError, MigrationError } from '../../../src/errors.ts';
import { loadMigrations } from '../../../src/migrate/load-migrations.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
const journal = (...tags: string[]): string =>
  JSON.stringify({
    version: '7',
    dialect: 'postgresql',
    entries: tags.map((tag, idx) => ({ idx, version: '7', when: idx, tag, breakpoints: true })),
  });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'migrations-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function write(files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(directory, name, '..'), { recursive: true });
    await writeFile(join(directory, name), content);
  }
}

describe('a directory of node-pg-migrate files', () => {
  it('gives SQL and modules in order, with checksums of their content', async () => {
    const source = await loadMigrations(fixture('migrations'));
    expect(source.format).toBe('node-pg-migrate');
    expect(source.migrations.map(({ name, kind }) => [name, kind])).toEqual([
      ['0001_products', 'sql'],
      ['0002_orders', 'module'],
      ['0003_states', 'module'],
      ['0004_lookup', 'sql'],
    ]);
    const content = await readFile(join(fixture('migrations'), '0001_products.sql'), 'utf8');
    expect(source.migrations[0]?.checksum).toBe(createHash('sha256').update(content).digest('hex'));
  });

  it('orders by number, not by text, and reads CRLF as LF', async () => {
    await write({ '10_b.sql': 'select 2;', '9_a.sql': 'select 1;\nselect 2;' });
    const before = await loadMigrations(directory);
    expect(before.migrations.map(({ name }) => name)).toEqual(['9_a', '10_b']);
    await write({ '9_a.sql': 'select 1;\r\nselect 2;' });
    expect((await loadMigrations(directory)).migrations[0]?.checksum).toBe(before.migrations[0]?.checksum);
    await write({ '9_a.sql': 'select 1;\nselect 3;' });
    expect((await loadMigrations(directory)).migrations[0]?.checksum).not.toBe(before.migrations[0]?.checksum);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['no number', { 'products.sql': 'select 1' }, /products\.sql/],
    ['a quote in the name', { "1_it's.sql": 'select 1' }, /can't be the name/],
    ['two files of one name', { '1_a.sql': 'select 1', '1_a.mjs': 'export const up = () => {};' }, /share a name/],
    ['no up', { '1_a.mjs': 'export const down = () => {};' }, /1_a\.mjs" exports no function "up"/],
    ['a module that does not load', { '1_a.mjs': 'throw new Error("broken")' }, /broken/],
    ['a down without its up', { '1_a.down.sql': 'select 1' }, /without matching/],
    ['schema public', { '1_a.sql': 'create table a (b int);\ncreate table public.c (d int)' }, /1_a\.sql:2: /],
  ])('refuses %s', async (_, files, message) => {
    await write(files);
    await expect(loadMigrations(directory)).rejects.toThrow(message);
    await expect(loadMigrations(directory)).rejects.toBeInstanceOf(MigrationError);
  });
});

describe('a drizzle-kit directory', () => {
  it('gives the journal’s migrations, with schema public taken out', async () => {
    const source = await loadMigrations(fixture('migrations-drizzle'));
    expect(source.format).toBe('drizzle-kit');
    expect(source.migrations.map(({ name }) => name)).toEqual(['0000_initial', '0001_stock', '0002_kinds']);
    const steps: string[] = [];
    await source.migrations[0]!.actions.up({
      sql: (sql: string) => {
        steps.push(sql);
      },
    } as never);
    expect(steps.join()).toContain('CREATE TYPE "status"');
  });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'a file that the journal lacks',
      { 'meta/_journal.json': journal('0000_a'), '0000_a.sql': 'select 1', '0001_b.sql': 'select 1' },
      /"0001_b\.sql" is not in/,
    ],
    ['a journal entry without its file', { 'meta/_journal.json': journal('0000_a') }, /"0000_a\.sql" is missing/],
    [
      'an order that names contradict',
      { 'meta/_journal.json': journal('0001_a', '0000_b'), '0000_b.sql': '', '0001_a.sql': '' },
      /does not follow the order/,
    ],
    ['names without numbers', { 'meta/_journal.json': journal('a'), 'a.sql': '' }, /does not follow the order/],
    ['a way out of the directory', { 'meta/_journal.json': journal('../a') }, /_journal\.json can't be used/],
    ['another database', { 'meta/_journal.json': JSON.stringify({ dialect: 'mysql', entries: [] }) }, /dialect/],
    ['a merge conflict', { 'meta/_journal.json': '<<<<<<< HEAD' }, /is not JSON/],
    ['a schema', { 'meta/_journal.json': journal('0000_a'), '0000_a.sql': 'CREATE SCHEMA "reference";' }, /makes or changes a schema/],
    [
      'schema public out of place',
      { 'meta/_journal.json': journal('0000_a'), '0000_a.sql': '\nset search_path to public' },
      /0000_a\.sql:2/,
    ],
  ])('refuses %s', async (_, files, message) => {
    await write(files);
    await expect(loadMigrations(directory)).rejects.toThrow(message);
    await expect(loadMigrations(directory)).rejects.toBeInstanceOf(MigrationError);
  });
});

describe('anything else', () => {
  it('is refused as configuration', async () => {
    await expect(loadMigrations(join(directory, 'absent'))).rejects.toBeInstanceOf(ConfigurationError);
    await expect(loadMigrations(directory)).rejects.toThrow(/holds no migration/);
    await write({ 'README.md': 'x' });
    await expect(loadMigrations(directory)).rejects.toBeInstanceOf(ConfigurationError);
    await cp(join(directory, 'README.md'), join(directory, 'file'));
    await expect(loadMigrations(join(directory, 'file'))).rejects.toBeInstanceOf(ConfigurationError);
  });
});
