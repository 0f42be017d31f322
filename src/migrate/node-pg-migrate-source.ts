import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { loadMigrationUnits } from 'node-pg-migrate/migrationLoader';
import { MigrationError } from '../errors.ts';
import type { Migration, MigrationActions, MigrationSource } from './migration-source.ts';
import { migrationChecksum } from './migration-source.ts';
import { refusePublic } from './refuse-public.ts';

const moduleExtensions = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'];

/**
 * Loads a directory of node-pg-migrate files through its own loaders: SQL with `-- Up Migration` comments or in `.up.sql`/`.down.sql`
 * pairs, modules that export `up`. Only `up` is run. Hidden files, `.d.ts` and files of other kinds are passed over.
 *
 * @throws {MigrationError} when a name has no leading number, two files share a name, a module exports no `up`, or SQL names schema public
 */
export async function nodePgMigrateSource(directory: string): Promise<MigrationSource> {
  const files = (await readdir(directory, { withFileTypes: true }))
    .filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && !entry.name.startsWith('.') && isMigrationFile(entry.name))
    .map((entry) => entry.name);
  for (const file of files) {
    // The runner writes the name into SQL as it stands, and orders by its number.
    if (!/^\d[\w.-]*$/.test(file)) {
      throw new MigrationError(
        `"${file}" can't be the name of a migration: it begins with a number, and has letters, digits, "_", "-" and "." only.`,
        {
          hint: 'Rename it to something like 0001_products.sql, or move it out of the directory.',
        },
      );
    }
  }
  const units = await load(files.map((file) => join(directory, file)));
  const migrations = await Promise.all(
    units.map(async ({ id, filePaths, actions }): Promise<Migration> => {
      const file = basename(id);
      const contents = await Promise.all(filePaths.map((path) => readFile(path, 'utf8')));
      const kind = extname(id) === '.sql' ? 'sql' : 'module';
      if (typeof actions.up !== 'function')
        throw new MigrationError(`The migration "${file}" exports no function "up".`, { migration: file });
      if (kind === 'sql') refusePublic(contents[0]!, file);
      // node-pg-migrate ships the same builder twice, to its loaders and to its runner, with types that don't know of each other.
      const runnable = Object.freeze({ ...actions }) as unknown as MigrationActions;
      return Object.freeze({ name: basename(id, extname(id)), checksum: migrationChecksum(...contents), kind, file, actions: runnable });
    }),
  );
  for (const [i, migration] of migrations.entries()) {
    const twin = migrations.findIndex(({ name }) => name === migration.name);
    if (twin !== i)
      throw new MigrationError(`The migrations "${migrations[twin]!.file}" and "${migration.file}" share a name.`, {
        migration: migration.name,
        hint: 'Ledgers know a migration by its name without the extension.',
      });
  }
  return Object.freeze({ directory, format: 'node-pg-migrate', migrations: Object.freeze(migrations) });
}

function isMigrationFile(name: string): boolean {
  return extname(name) === '.sql' || (moduleExtensions.includes(extname(name)) && !/\.d\.[cm]?ts$/.test(name));
}

async function load(paths: string[]): ReturnType<typeof loadMigrationUnits> {
  try {
    // The `sql` loader knows both forms of SQL files; the default one would run a `.down.sql` as a migration of its own.
    return await loadMigrationUnits(
      {
        migrationLoaderStrategies: [
          { extensions: ['.sql'], loader: 'sql' },
          { extensions: moduleExtensions, loader: 'default' },
        ],
      },
      paths,
    );
  } catch (error) {
    throw new MigrationError(`The migrations can't be loaded: ${error instanceof Error ? error.message : String(error)}.`, {
      cause: error,
    });
  }
}
