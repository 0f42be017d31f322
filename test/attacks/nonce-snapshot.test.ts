import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const compiled = fileURLToPath(new URL('../../dist/crypto/random-nonce.js', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-snapshot-'));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

/** The first nonces of two processes that start from one snapshot, which was made after a nonce had been asked for. */
async function noncesFrom(module: string): Promise<readonly string[]> {
  // A snapshot is built from one script without imports.
  const script = module.replaceAll(/^import (\{.*?\}) from ('node:.*?');$/gm, 'const $1 = require($2);').replaceAll(/^export /gm, '');
  await writeFile(
    join(folder, 'entry.cjs'),
    `${script}
    fillNonce(Buffer.alloc(24));
    startupSnapshot.setDeserializeMainFunction(() => {
      const nonce = Buffer.alloc(24);
      fillNonce(nonce);
      console.log(nonce.toString('hex'));
    });`,
  );
  await run(process.execPath, ['--snapshot-blob', 'entry.blob', '--build-snapshot', 'entry.cjs'], { cwd: folder });
  const start = async () => (await run(process.execPath, ['--snapshot-blob', 'entry.blob'], { cwd: folder })).stdout.trim();
  return [await start(), await start()];
}

test('two processes that start from one startup snapshot of Node have no nonce in common', async () => {
  const nonces = await noncesFrom(await readFile(compiled, 'utf8'));
  for (const nonce of nonces) expect(nonce).toMatch(/^[0-9a-f]{48}$/);
  expect(new Set(nonces).size).toBe(2);
});

test('control: with a store that the snapshot takes along they have', async () => {
  const guarded = await readFile(compiled, 'utf8');
  const open = guarded.replace('startupSnapshot.isBuildingSnapshot()', 'false');
  expect(open).not.toBe(guarded);
  expect(new Set(await noncesFrom(open)).size).toBe(1);
});
