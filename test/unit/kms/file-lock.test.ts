import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileLock } from '../../../src/kms/file-lock.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-lock-'));
  path = join(folder, 'lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('FileLock', () => {
  it('is held by one at a time', async () => {
    let holders = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 12 }, async () => {
        const lock = await FileLock.acquire(path);
        holders += 1;
        most = Math.max(most, holders);
        await lock.assertHeld();
        holders -= 1;
        await lock.release();
      }),
    );
    expect(most).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is broken by one only, however many find it stale', async () => {
    for (let round = 0; round < 5; round++) {
      await writeFile(path, JSON.stringify({ token: `left-${round}`, pid: process.pid, host: 'elsewhere' }));
      await utimes(path, 1, 1);
      let holders = 0;
      let most = 0;
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          const lock = await FileLock.acquire(path);
          holders += 1;
          most = Math.max(most, holders);
          await new Promise((resolve) => setTimeout(resolve, 2));
          await lock.assertHeld();
          holders -= 1;
          await lock.release();
        }),
      );
      expect(most).toBe(1);
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('goes on where the one that was breaking it died too', async () => {
    await writeFile(path, JSON.stringify({ token: 'left', pid: process.pid, host: 'elsewhere' }));
    await writeFile(`${path}.left.break`, '');
    for (const name of [path, `${path}.left.break`]) await utimes(name, 1, 1);
    await (await FileLock.acquire(path)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('times out, and can be told by who lost it', async () => {
    const held = await FileLock.acquire(path);
    await expect(FileLock.acquire(path, { timeoutMs: 30 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    await utimes(path, 1, 1);
    const next = await FileLock.acquire(path);
    await expect(held.assertHeld()).rejects.toMatchObject({ code: 'ESTALE' });
    await held.release();
    await next.assertHeld();
    await next.release();
  });
});
