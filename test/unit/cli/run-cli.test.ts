import { describe, expect, test } from 'vitest';
import { CatalogError, QueryFailedError } from '../../../src/errors.ts';
import type { Finding } from '../../../src/verify/finding.ts';
import { cli, documents, password } from './support/cli-harness.ts';

const escapeCode = '\u001b';

const finding = (severity: Finding['severity'], id = 'rls-not-forced'): Finding => ({
  id,
  severity,
  location: 'eu-1/tenancy_shared/a.products',
  message: 'm',
  remedy: 'r',
});

describe('arguments', () => {
  test.each([
    [[]],
    [['nonsense']],
    [['tenant']],
    [['tenant', 'create']],
    [['tenant', 'list', '--status', 'asleep']],
    [['tenant', 'list', 'extra']],
    [['migrate', 'up', '--concurrency', '0']],
    [['migrate', 'up', '--tenant', 'NO']],
    [['audit', 'list', '--since', 'yesterday']],
    [['audit', 'list', '--since', '2026-13-45']],
    [['audit', 'list', '--limit', '1e3']],
    [['verify', '--whatever']],
  ])('%j ends with 2 before anything is opened', async (argv) => {
    const human = await cli(argv);
    expect(human).toMatchObject({ code: 2, options: undefined, stdout: '' });
    expect(human.stderr).not.toBe('');
    const json = await cli([...argv, '--json']);
    expect(json).toMatchObject({ code: 2, stdout: '' });
    expect(documents(json).errors).toEqual([
      expect.objectContaining({ message: expect.any(String), hint: expect.toSatisfy((hint) => hint === null || typeof hint === 'string') }),
    ]);
  });

  test('help tells the exit codes and ends with 0; so does version', async () => {
    const help = await cli(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const code of [0, 1, 2, 3, 4]) expect(help.stdout).toMatch(new RegExp(`^  ${code}  `, 'm'));
    expect((await cli(['tenant', 'create', '--help'])).stdout).toContain('--keep-going');
    expect(await cli(['--version'])).toMatchObject({ code: 0, stdout: '9.8.7\n' });
  });
});

describe('errors', () => {
  const refusing = (error: Error) => ({ createControlPlane: () => Promise.reject(error) });

  test('typed ones are printed with their hint, others by their first line, and no password in either', async () => {
    const typed = await cli(
      ['tenant', 'list'],
      refusing(
        new CatalogError(`There is no catalog at postgres://admin:${password}@db.example/x.`, {
          hint: 'Run tenancy init.',
          cause: new Error(`password ${password} refused`),
        }),
      ),
    );
    expect(typed).toMatchObject({ code: 1, stdout: '', kmsClosed: true });
    expect(typed.stderr).toBe(
      'error: There is no catalog at postgres://admin:***@db.example/x.\ncause: password *** refused\nhint: Run tenancy init.\n',
    );
    const foreign = await cli(['tenant', 'list', '--json'], refusing(new Error('Failed query: select $1\nparams: 4111 1111 1111 1111')));
    expect(documents(foreign).errors).toEqual([expect.objectContaining({ code: 'UNEXPECTED', message: 'Failed query: select $1' })]);
    const refused = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' });
    expect((await cli(['tenant', 'list'], refusing(refused))).stderr).toBe('error: ECONNREFUSED\n');
  });

  test('closing never hides the error of the work', async () => {
    const run = await cli(['verify'], {
      control: {
        verify: () => Promise.reject(new QueryFailedError('It failed.', { sqlState: 'XX000' })),
        close: () => Promise.reject(new Error('close failed')),
      },
    });
    expect(run).toMatchObject({ code: 1, stderr: 'error: It failed.\n' });
    expect(await cli(['verify'], { control: { close: () => Promise.reject(new Error('close failed')) } })).toMatchObject({
      code: 1,
      stderr: 'error: close failed\n',
    });
  });

  test('a configuration that can’t be read, or lacks a variable, ends with 2 and shows no value', async () => {
    expect(await cli(['verify', '--config', 'absent.yaml'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining("absent.yaml can't be read"),
    });
    expect(await cli(['verify'], { env: { TENANCY_CONFIG: 'other.yaml' } })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('other.yaml'),
    });
    const missing = await cli(['verify'], { env: { ADMIN_PASSWORD: undefined } });
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('needs the environment variable ADMIN_PASSWORD') });
  });
});

describe('terminals', () => {
  test('colours and bars only where a terminal is and nobody says no', async () => {
    const control = { verify: async () => ({ findings: [finding('error')], checked: 1, ok: false }) };
    expect((await cli(['verify'], { control, tty: true })).stdout).toContain(`${escapeCode}[31m`);
    expect((await cli(['verify'], { control })).stdout).not.toContain(escapeCode);
    expect((await cli(['verify'], { control, tty: true, env: { NO_COLOR: '1' } })).stdout).not.toContain(escapeCode);
    expect((await cli(['verify'], { control, tty: true, env: { NO_COLOR: '' } })).stdout).toContain(escapeCode);
    expect((await cli(['verify', '--json'], { control, tty: true })).stdout).not.toContain(escapeCode);
    expect((await cli(['migrate', 'up'], { tty: true })).stderr).toContain('█');
    expect((await cli(['migrate', 'up'])).stderr).toBe('');
    expect((await cli(['migrate', 'up', '--json'], { tty: true })).stderr).toBe('');
  });
});
