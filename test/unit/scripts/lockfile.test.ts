import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lockfileProblems } from '../../../scripts/lockfile.ts';

test('an address of a registry and a missing checksum are found', () => {
  const lock = {
    lockfileVersion: 3,
    packages: {
      '': {},
      'node_modules/good': { version: '1.0.0', integrity: 'sha512-x' },
      'node_modules/addressed': { version: '1.0.0', integrity: 'sha512-x', resolved: 'https://registry.example/addressed.tgz' },
      'node_modules/loose': { version: '1.0.0' },
    },
  };
  expect(lockfileProblems(JSON.stringify(lock))).toEqual([
    expect.stringContaining('node_modules/addressed holds an address'),
    'node_modules/loose has no checksum',
  ]);
  expect(lockfileProblems('{"lockfileVersion":2}')).toEqual(['lockfileVersion is 2, expected 3']);
});

test('ours is clean', async () => {
  expect(lockfileProblems(await readFile(join(import.meta.dirname, '..', '..', '..', 'package-lock.json'), 'utf8'))).toEqual([]);
});
