import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../../src/errors.ts';
import { advisoryLockKey } from '../../../src/sql/advisory-lock.ts';
import { failureName } from '../../../src/sql/failure-name.ts';
import { packageRoot } from '../../../src/sql/package-root.ts';
import { sqlFiles } from '../../../src/sql/sql-files.ts';

const directories: string[] = [];
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

async function folder(...names: string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sql-files-'));
  directories.push(directory);
  for (const name of names) await writeFile(join(directory, name), `-- ${name}`);
  return directory;
}

describe('sqlFiles', () => {
  test.each(['catalog', 'database'] as const)('the shipped set %s is whole', (set) => {
    const files = sqlFiles(set);
    expect(files.length).toBeGreaterThan(0);
    for (const { name, checksum } of files)
      expect([name, checksum]).toEqual([expect.stringMatching(/^\d{4}_/), expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });

  test('come in the order of their numbers; what is no SQL is left out', async () => {
    expect(sqlFiles('database', await folder('0002_b.sql', '0001_a.sql', 'README.md')).map(({ name }) => name)).toEqual([
      '0001_a',
      '0002_b',
    ]);
  });

  test.each([
    ['a gap', ['0001_a.sql', '0003_c.sql']],
    ['a number twice', ['0001_a.sql', '0001_b.sql']],
    ['another name', ['0001_a.sql', 'extra.sql']],
    ['none', []],
  ])('%s is refused', async (_name, names) => {
    const directory = await folder(...names);
    expect(() => sqlFiles('database', directory)).toThrow(ConfigurationError);
  });
});

test('the package’s root is where its SQL lies', async () => {
  const { existsSync } = await import('node:fs');
  expect(existsSync(join(packageRoot(), 'migrations', 'catalog'))).toBe(true);
});

test('lock keys are stable, signed 64-bit, and apart by class', () => {
  expect(advisoryLockKey('policies', 'acme')).toBe('-4596710587053812933');
  expect(advisoryLockKey('policies', 'acme')).not.toBe(advisoryLockKey('sql-set', 'acme'));
  for (const name of ['', 'a', 'ü']) {
    const key = BigInt(advisoryLockKey('policies', name));
    expect(BigInt.asIntN(64, key)).toBe(key);
  }
});

test('of an error no more is said than its code or class', () => {
  const error = Object.assign(new Error('value "secret" is wrong'), { code: '22P02' });
  expect([failureName(error), failureName(new TypeError('secret')), failureName('secret')]).toEqual(['22P02', 'TypeError', 'string']);
});
