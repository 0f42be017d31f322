import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError } from '../errors.ts';

const packageName = '@godseye/tenancy';

let found: string | undefined;

/**
 * The directory of this package, where the shipped SQL lies beside the code: the same from `src/` and from `dist/`.
 *
 * @throws {ConfigurationError} when the code was copied away from its package, as bundlers do
 */
export function packageRoot(): string {
  found ??= findUpwards(dirname(fileURLToPath(import.meta.url)));
  return found;
}

function findUpwards(start: string): string {
  for (let directory = start; ; directory = dirname(directory)) {
    const manifest = join(directory, 'package.json');
    if (existsSync(manifest) && nameIn(manifest) === packageName) return directory;
    if (directory === dirname(directory)) break;
  }
  throw new ConfigurationError(`The SQL files of ${packageName} can't be found beside its code.`, {
    hint: 'Leave the package external when bundling.',
  });
}

function nameIn(manifest: string): unknown {
  const parsed: unknown = JSON.parse(readFileSync(manifest, 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'name' in parsed ? parsed.name : undefined;
}
