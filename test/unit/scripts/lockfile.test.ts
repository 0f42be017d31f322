import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { completeLockfile, lockfileProblems } from '../../../scripts/lockfile.ts';

test('an address of a registry and a missing checksum are found', () => {
  const lock = {
    lockfileVersion: 3,
    packages: {
      '': {},
      'test/part': { version: '1.0.0' },
      'node_modules/part': { resolved: 'test/part', link: true },
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

test('parts for other platforms that npm left out are found and listed', () => {
  const lock = {
    lockfileVersion: 3,
    packages: {
      '': {},
      'node_modules/tool': {
        version: '2.0.0',
        integrity: 'sha512-x',
        dev: true,
        optionalDependencies: { '@tool/linux-x64': '2.0.0', '@tool/linux-x64-musl': '2.0.0', 'tool-windows-arm64': '2.0.0' },
      },
      'node_modules/@tool/linux-x64': { version: '2.0.0', integrity: 'sha512-y', optional: true, os: ['linux'] },
      'node_modules/user/node_modules/tool': {
        version: '1.0.0',
        integrity: 'sha512-z',
        optionalDependencies: { '@tool/darwin-x64': '1.0.0' },
      },
    },
  };
  const text = JSON.stringify(lock);
  expect(lockfileProblems(text)).toEqual([
    expect.stringContaining('node_modules/@tool/linux-x64-musl is not listed'),
    expect.stringContaining('node_modules/tool-windows-arm64 is not listed'),
    expect.stringContaining('node_modules/user/node_modules/@tool/darwin-x64 is not listed'),
  ]);
  const completed = completeLockfile(text);
  expect(lockfileProblems(completed)).toEqual([]);
  expect(completeLockfile(completed)).toBe(completed);
  const { packages } = JSON.parse(completed) as { packages: Record<string, unknown> };
  expect(packages['node_modules/@tool/linux-x64-musl']).toEqual({
    version: '2.0.0',
    cpu: ['x64'],
    libc: ['musl'],
    os: ['linux'],
    dev: true,
    optional: true,
  });
  expect(packages['node_modules/tool-windows-arm64']).toEqual({
    version: '2.0.0',
    cpu: ['arm64'],
    os: ['win32'],
    dev: true,
    optional: true,
  });
  expect(packages['node_modules/user/node_modules/@tool/darwin-x64']).toEqual({
    version: '1.0.0',
    cpu: ['x64'],
    os: ['darwin'],
    optional: true,
  });
});

test('ours is clean', async () => {
  expect(lockfileProblems(await readFile(join(import.meta.dirname, '..', '..', '..', 'package-lock.json'), 'utf8'))).toEqual([]);
});
