import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');

function main(...argv: string[]) {
  return spawnSync(process.execPath, ['--import', 'tsx', join(root, 'src/cli/main.ts'), ...argv], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] },
  });
}

describe('the process', () => {
  test('prints the package’s version and ends with 0', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(main('--version')).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('ends with 2 on wrong arguments and on a configuration that is not there', () => {
    expect(main('nonsense')).toMatchObject({ status: 2, stdout: '' });
    const absent = main('verify', '--json', '--config', 'absent/tenancy.yaml');
    expect(absent).toMatchObject({ status: 2, stdout: '' });
    expect(JSON.parse(absent.stderr)).toMatchObject({ code: 'CONFIGURATION' });
  });
});
