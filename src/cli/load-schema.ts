import { pathToFileURL } from 'node:url';
import { ConfigurationError } from '../errors.ts';

/**
 * Imports the module of a services' drizzle schema.
 *
 * @param path absolute
 * @returns what it exports
 * @throws {ConfigurationError} when it can't be imported
 */
export async function loadSchema(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (cause) {
    throw new ConfigurationError(`The schema module ${path} can't be imported.`, {
      cause,
      hint: 'Name the compiled module (.js); for TypeScript as it is, set NODE_OPTIONS="--import tsx" or use a Node that strips types.',
    });
  }
}
