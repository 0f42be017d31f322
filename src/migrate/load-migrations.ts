import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import { drizzleKitSource } from './drizzle-kit-source.ts';
import type { MigrationSource } from './migration-source.ts';
import { nodePgMigrateSource } from './node-pg-migrate-source.ts';

/**
 * Loads the platform's migrations, once for all targets. A directory with `meta/_journal.json` is drizzle-kit's output; any other holds
 * node-pg-migrate files (`.sql`, `.js`, `.mjs`, `.cjs`, `.ts`, `.mts`, `.cts`) whose names begin with a number.
 *
 * @throws {ConfigurationError} when the directory is missing or holds no migration
 * @throws {MigrationError} when a file can't be used; it names the file
 * @example
 * ```ts
 * const source = await loadMigrations('./drizzle');
 * ```
 */
export async function loadMigrations(directory: string): Promise<MigrationSource> {
  const absolute = resolve(directory);
  const isDirectory = await stat(absolute).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (!isDirectory)
    throw new ConfigurationError(`The migrations directory "${directory}" does not exist.`, {
      hint: 'Give the directory that drizzle-kit or node-pg-migrate writes to.',
    });
  const isDrizzleKit = await stat(join(absolute, 'meta', '_journal.json')).then(
    (entry) => entry.isFile(),
    () => false,
  );
  const source = isDrizzleKit ? await drizzleKitSource(absolute) : await nodePgMigrateSource(absolute);
  if (source.migrations.length === 0) {
    throw new ConfigurationError(`The migrations directory "${directory}" holds no migration.`, {
      hint: 'Generate the first one before tenants are migrated.',
    });
  }
  return source;
}
