import { execFile } from 'node:child_process';
import { mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..', '..');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), 'tenancy-forbid-skips-'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'vitest.config.ts'), 'export default {};\n');
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs vitest itself on one test file with the reporter. */
async function vitest(body: string, env: Record<string, string> = {}): Promise<{ code: number; output: string; tally: string }> {
  await writeFile(join(folder, 'one.test.ts'), `import { test, expect } from 'vitest';\n${body}\n`);
  const tally = join(folder, 'tally');
  const { TENANCY_FORBID_SKIPS: _, TENANCY_TALLY: __, VITEST: ___, ...rest } = process.env;
  const args = [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--root',
    folder,
    '--reporter',
    join(root, 'scripts', 'forbid-skips.ts'),
  ];
  const result = await promisify(execFile)(process.execPath, args, { env: { ...rest, TENANCY_TALLY: tally, ...env } }).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({ code: error.code, output: error.stdout + error.stderr }),
  );
  const counted = await readFile(tally, 'utf8').catch(() => '');
  await rm(tally, { force: true });
  return { ...result, tally: counted.trim() };
}

const mixed = "test('runs', () => {});\ntest.skip('left out', () => {});\ntest.todo('some day');";

test('a run with a skipped test fails where skips are forbidden, and names it', async () => {
  const { code, output, tally } = await vitest(mixed, { TENANCY_FORBID_SKIPS: '1' });
  expect(code).toBe(1);
  expect(output).toContain('skipped, which this run forbids: one.test.ts > left out');
  expect(output).toContain('one.test.ts > some day');
  expect(JSON.parse(tally)).toEqual({ passed: 1, failed: 0, skipped: 2 });
});

test('the same run passes elsewhere, and is counted', async () => {
  const { code, tally } = await vitest(mixed);
  expect(code).toBe(0);
  expect(JSON.parse(tally)).toEqual({ passed: 1, failed: 0, skipped: 2 });
});

test('a run without skips passes where they are forbidden', async () => {
  expect((await vitest("test('runs', () => {});", { TENANCY_FORBID_SKIPS: '1' })).code).toBe(0);
});

test('failures and files that do not load are counted as failed', async () => {
  const failing = await vitest("test('fails', () => { expect(1).toBe(2); });");
  expect(failing.code).toBe(1);
  expect(JSON.parse(failing.tally)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  const broken = await vitest("throw new Error('broken');");
  expect(broken.code).toBe(1);
  expect(JSON.parse(broken.tally)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});
