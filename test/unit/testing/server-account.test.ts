import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mayEnter, serverAccount } from '../../../src/testing/server-account.ts';

test('PostgreSQL runs as this account, and never as root', async () => {
  const account = await serverAccount();
  if (process.getuid?.() === 0) expect(account.uid).toBeGreaterThan(0);
  else expect(account).toEqual({});
});

test('a folder is closed to others when it, or one above it, is', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tenancy-enter-'));
  const { uid, gid } = await stat(directory);
  const other = { uid: uid + 4_321, gid: gid + 4_321 };
  try {
    await chmod(directory, 0o755);
    expect(await mayEnter(other, directory)).toBe(true);
    await chmod(directory, 0o700);
    expect(await mayEnter(other, directory)).toBe(false);
    expect(await mayEnter({ uid, gid }, directory)).toBe(true);
    expect(await mayEnter({}, directory)).toBe(true);
    await chmod(directory, 0o710);
    expect(await mayEnter({ uid: other.uid, gid }, directory)).toBe(true);
    expect(await mayEnter(other, directory)).toBe(false);
  } finally {
    await rm(directory, { recursive: true });
  }
});
