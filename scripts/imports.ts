import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';

/** What every file of a folder imports: file → specifiers, both with `/`, files relative to the folder. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

const STATIC = /^(?:import|export)\s+(?:type\s+)?(?:[\w$*\s,]*\{[^}]*\}|[\w$*\s,]+)\s*from\s*['"]([^'"]+)['"]/gm;
const BARE = /^import\s*['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]/g;

/**
 * The specifiers that a TypeScript source imports or re-exports, types included. Statements are recognised at the start of a line,
 * dynamic imports anywhere but in comment lines: examples in TSDoc do not count.
 */
export function importsOf(source: string): readonly string[] {
  const code = source
    .split('\n')
    .map((line) => (/^\s*(\*|\/\/|\/\*)/.test(line) ? '' : line))
    .join('\n');
  return [...new Set([STATIC, BARE, DYNAMIC].flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1]!)))];
}

/** Reads every .ts file below a folder. */
export async function readImports(root: string): Promise<ImportGraph> {
  const names = (await readdir(root, { recursive: true }))
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts'))
    .sort();
  return new Map(await Promise.all(names.map(async (name) => [name, importsOf(await readFile(join(root, name), 'utf8'))] as const)));
}

/** The file that a relative specifier means, or undefined for a package. */
export function targetOf(file: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.normalize(posix.join(dirname(file), specifier)) : undefined;
}
