import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import { packageRoot } from './package-root.ts';

/** The sets of SQL that this package installs, as folders of `migrations/`. */
export type SqlSetName = 'catalog' | 'database';

/** One numbered file as it is shipped, placeholders and all. */
export interface SqlFile {
  /** `0001_schema`. */
  readonly name: string;
  readonly text: string;
  /** SHA-256 of the text, hexadecimal; values are not part of it. */
  readonly checksum: string;
}

const pattern = /^(\d{4}_[a-z0-9-]+)\.sql$/;

/**
 * The files of a set in their order.
 *
 * @throws {ConfigurationError} when a number is used twice or left out, or a file is named otherwise
 */
export function sqlFiles(set: SqlSetName, directory: string = join(packageRoot(), 'migrations', set)): readonly SqlFile[] {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name, index) => {
      const stem = pattern.exec(name)?.[1];
      if (stem === undefined || Number(stem.slice(0, 4)) !== index + 1) {
        throw new ConfigurationError(`migrations/${set}/${name} breaks the row of numbers.`, {
          hint: 'Files are named 0001_name.sql, 0002_name.sql and so on.',
        });
      }
      const text = readFileSync(join(directory, name), 'utf8');
      return Object.freeze({ name: stem, text, checksum: createHash('sha256').update(text).digest('hex') });
    });
  if (files.length === 0)
    throw new ConfigurationError(`migrations/${set} holds no SQL.`, { hint: 'The package is incomplete: install it again.' });
  return Object.freeze(files);
}
