import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ConfigurationError } from '../errors.ts';

const run = promisify(execFile);

/** The account that PostgreSQL runs as: empty for the account of this process. */
export interface ServerAccount {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Who PostgreSQL runs as. It refuses root, so a root process hands it to `postgres`, or to `nobody` where there is no such account:
 * an account made for a test would stay behind on the machine.
 *
 * @throws {ConfigurationError} as root on a machine that has neither account
 */
export async function serverAccount(): Promise<ServerAccount> {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([idOf('-u', name), idOf('-g', name)]);
      if (uid > 0) return { uid, gid };
    } catch {
      // No such account: try the next.
    }
  }
  throw new ConfigurationError('PostgreSQL refuses to run as root, and this machine has neither an account postgres nor nobody.', {
    hint: 'Add one (useradd --system postgres), or run as an ordinary user.',
  });
}

async function idOf(flag: '-u' | '-g', name: string): Promise<number> {
  const { stdout } = await run('id', [flag, name]);
  return Number.parseInt(stdout, 10);
}

/** Whether that account may enter a folder, judged by the permission bits on the way to it. */
export async function mayEnter(account: ServerAccount, directory: string): Promise<boolean> {
  if (account.uid === undefined) return true;
  for (let path = resolve(directory); ; path = dirname(path)) {
    const { mode, uid, gid } = await stat(path);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (path === dirname(path)) return true;
  }
}
