import { describe, expect, test } from 'vitest';
import { AbortedError, MigrationError } from '../../../src/errors.ts';
import type { Finding } from '../../../src/verify/finding.ts';
import { cli, documents } from './support/cli-harness.ts';

const escapeCode = '\u001b';

const finding = (severity: Finding['severity'], id = 'rls-not-forced'): Finding => ({
  id,
  severity,
  location: 'eu-1/tenancy_shared/a.products',
  message: 'm',
  remedy: 'r',
});

describe('init', () => {
  test('prints the services’ URL with its password hidden', async () => {
    const run = await cli(['init']);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain('postgres://tenancy_catalog:***@db.example:5432/tenancy_catalog');
    expect(run.stdout + run.stderr).not.toContain('s3cr3t');
    expect((await cli(['init', '--json'])).stdout).not.toContain('s3cr3t');
  });

  test('and in full with --show-secrets', async () => {
    expect((await cli(['init', '--show-secrets'])).stdout).toContain('s3cr3t-c4talog');
    expect(documents(await cli(['--json', 'init', '--show-secrets'])).stdout).toMatchObject({
      changed: true,
      serviceCatalogUrl: expect.stringContaining('s3cr3t-c4talog'),
    });
  });
});

describe('migrate', () => {
  test('up passes its options on and counts the outcomes', async () => {
    const run = await cli(['migrate', 'up', '--tenant', 'tenant-a', '--tenant', 'tenant-b', '--concurrency', '8', '--keep-going']);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain('1 migrated, 0 unchanged, 0 failed, 0 skipped');
    expect(run.control.calls[0]).toEqual([
      'migrate',
      expect.objectContaining({ tenants: ['tenant-a', 'tenant-b'], concurrency: 8, stopOnError: false, signal: expect.any(AbortSignal) }),
    ]);
    expect((await cli(['migrate', 'up'])).control.calls[0]).toEqual([
      'migrate',
      expect.objectContaining({ tenants: undefined, stopOnError: true }),
    ]);
  });

  test('up ends with 4 when a target failed; the report is still whole', async () => {
    const control = {
      migrate: async () => ({
        failed: 1,
        targets: [
          {
            target: 'tenant-a',
            outcome: 'failed' as const,
            applied: [],
            durationMs: 1,
            error: new MigrationError('0002 of tenant-a failed.', { tenantId: 'tenant-a', migration: '0002' }),
          },
          { target: 'tenant-b', outcome: 'skipped' as const, applied: [], durationMs: 0, error: undefined },
        ],
      }),
    };
    const json = await cli(['migrate', 'up', '--json'], { control });
    expect(json.code).toBe(4);
    expect(documents(json).stdout).toMatchObject({
      failed: 1,
      targets: [{ error: { code: 'MIGRATION', message: '0002 of tenant-a failed.' } }, { outcome: 'skipped' }],
    });
    expect(documents(json).errors).toEqual([expect.objectContaining({ code: 'MIGRATION', message: '1 of 2 targets failed.' })]);
    const human = await cli(['migrate', 'up'], { control });
    expect(human).toMatchObject({ code: 4, stderr: expect.stringContaining('error: 0002 of tenant-a failed.') });
  });

  test('up that was interrupted ends with 1 when targets were left out, and with 0 when none was; the left out are no errors', async () => {
    const target = (outcome: 'migrated' | 'skipped') => ({
      target: outcome,
      outcome,
      applied: [],
      durationMs: 1,
      error: outcome === 'skipped' ? new AbortedError('left-out was not migrated.') : undefined,
    });
    const up = async (...outcomes: ('migrated' | 'skipped')[]) => {
      // The command aborts on its way, not before: what was read and opened first is another test's.
      const late = new AbortController();
      return await cli(['migrate', 'up'], {
        signal: late.signal,
        control: {
          migrate: async () => {
            late.abort();
            return { failed: 0, targets: outcomes.map(target) };
          },
        },
      });
    };
    const leftOut = await up('migrated', 'skipped', 'skipped');
    expect(leftOut.code).toBe(1);
    expect(leftOut.stderr.match(/^error: .*$/gm)).toEqual(['error: Interrupted.']);
    expect(await up('migrated', 'migrated')).toMatchObject({ code: 0, stderr: '' });
  });

  test('a tier that there is not ends with 2', async () => {
    for (const argv of [
      ['migrate', 'up', '--tier', 'gold'],
      ['tenant', 'list', '--tier', 'gold'],
    ]) {
      const run = await cli(argv);
      expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('There are standard, enterprise, premium.') });
      expect(run.control.calls).toEqual([]);
    }
  });

  test('status shows what is pending', async () => {
    expect((await cli(['migrate', 'status'])).stdout).toMatch(/^tenant-b +- +0001_tables$/m);
    expect(documents(await cli(['migrate', 'status', '--json'])).stdout).toMatchObject({
      targets: [{ target: 'tenant-a', pending: [] }, { target: 'tenant-b' }],
    });
  });
});

describe('verify', () => {
  test.each([
    [[], 42, true, 0],
    [[finding('warning'), finding('info')], 42, true, 0],
    [[finding('error')], 42, false, 3],
    [[finding('critical')], 42, false, 3],
    [[], 0, true, 3],
    [[], 42, false, 3],
  ])('%j, %i checked, ok %j → %i', async (findings, checked, ok, code) => {
    for (const argv of [['verify'], ['verify', '--json']]) {
      expect(await cli(argv, { control: { verify: async () => ({ findings, checked, ok }) } })).toMatchObject({ code, stderr: '' });
    }
  });

  test.each([
    ['critical', 'error', 0],
    ['critical', 'critical', 3],
    ['warning', 'warning', 3],
    ['warning', 'info', 0],
    ['info', 'info', 3],
  ] as const)('--fail-on %s with a finding at level %s → %i', async (failOn, severity, code) => {
    const report = { findings: [finding(severity)], checked: 7, ok: severity === 'warning' || severity === 'info' };
    expect((await cli(['verify', '--fail-on', failOn], { control: { verify: async () => report } })).code).toBe(code);
  });

  test('--checks reaches the control plane; what it does not know is refused', async () => {
    const asked: unknown[] = [];
    const verify = async (options?: { readonly checks?: string | undefined }) => {
      asked.push(options?.checks);
      return { findings: [], checked: 1, ok: true };
    };
    await cli(['verify'], { control: { verify } });
    await cli(['verify', '--checks', 'probes'], { control: { verify } });
    expect(asked).toEqual(['all', 'probes']);
    expect((await cli(['verify', '--checks', 'some'], { control: { verify } })).code).toBe(2);
  });

  test('--sarif prints a document and nothing else, and ends the same', async () => {
    for (const argv of [
      ['verify', '--sarif'],
      ['verify', '--sarif', '--json'],
    ]) {
      const run = await cli(argv, { control: { verify: async () => ({ findings: [finding('critical')], checked: 7, ok: false }) } });
      expect(run).toMatchObject({ code: 3, stderr: '' });
      expect(JSON.parse(run.stdout)).toMatchObject({ version: '2.1.0', runs: [{ results: [{ ruleId: 'rls-not-forced' }] }] });
    }
  });

  test('prints the worst first, with its remedy', async () => {
    const findings = [finding('info', 'small'), finding('critical', 'big')];
    const run = await cli(['verify'], { control: { verify: async () => ({ findings, checked: 7, ok: false }) } });
    expect(run.stdout.indexOf('big')).toBeLessThan(run.stdout.indexOf('small'));
    expect(run.stdout).toContain('remedy: r');
    expect(run.stdout).toContain('2 findings; 7 objects and rules were checked.');
  });
});

describe('audit list', () => {
  test('passes its filter on and lets no entry command the terminal', async () => {
    const run = await cli([
      'audit',
      'list',
      '--tenant',
      'tenant-a',
      '--outcome',
      'refused',
      '--since',
      '2026-01-31',
      '--until',
      '2026-02-01T12:30+01:00',
      '--limit',
      '5',
    ]);
    expect(run.code).toBe(0);
    expect(run.control.calls).toEqual([
      [
        'auditEntries',
        {
          tenantId: 'tenant-a',
          action: undefined,
          outcome: 'refused',
          actor: undefined,
          requestId: undefined,
          since: new Date('2026-01-31T00:00Z'),
          until: new Date('2026-02-01T11:30Z'),
          limit: 5,
        },
      ],
    ]);
    expect(run.stdout).not.toContain(escapeCode);
    expect(run.stdout).toContain('up\\u{1b}[2Jto\\u{202e}no good');
    expect(documents(await cli(['audit', 'list', '--json'])).stdout).toMatchObject({
      entries: [{ id: 'e-1', at: '2026-02-03T04:05:06.000Z' }],
    });
  });

  test('a span of time counts from now', async () => {
    const { control } = await cli(['audit', 'list', '--since', '2h']);
    expect(Date.now() - (control.calls[0]![1] as { since: Date }).since.getTime()).toBeCloseTo(7_200_000, -5);
  });
});
