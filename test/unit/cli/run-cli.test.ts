import { describe, expect, test } from 'vitest';
import { CatalogError, MigrationError, ProvisioningError, QueryFailedError } from '../../../src/errors.ts';
import type { ProvisionReport } from '../../../src/provision/provision-report.ts';
import type { Finding } from '../../../src/verify/finding.ts';
import { type CliRun, cli, password, tenantFile } from './support/cli-harness.ts';
import { FakeControlPlane } from './support/fake-control-plane.ts';

const escape = '\u001b';

async function withTenants(...ids: string[]): Promise<FakeControlPlane> {
  const control = new FakeControlPlane();
  for (const id of ids) await control.provision({ id, name: `The ${id}`, tier: 'standard', region: 'eu-west-1' });
  control.calls.length = 0;
  return control;
}

/** What `--json` promises: exactly one document on stdout, and on stderr nothing but JSON. */
function documents(run: CliRun): { stdout: Record<string, unknown>; errors: Record<string, unknown>[] } {
  return { stdout: run.stdout === '' ? {} : JSON.parse(run.stdout), errors: run.stderr.split('\n').filter(Boolean).map((line) => JSON.parse(line)) };
}

const finding = (severity: Finding['severity'], id = 'rls-not-forced'): Finding => ({ id, severity, location: 'eu-1/tenancy_shared/a.products', message: 'm', remedy: 'r' });

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
    expect(documents(await cli(['--json', 'init', '--show-secrets'])).stdout).toMatchObject({ changed: true, serviceCatalogUrl: expect.stringContaining('s3cr3t-c4talog') });
  });
});

describe('tenant create', () => {
  const files = { 'a.yaml': tenantFile('shop-a'), 'b.yaml': tenantFile('shop-b'), 'c.yaml': tenantFile('shop-c') };

  test('onboards every file and prints a table', async () => {
    const run = await cli(['tenant', 'create', 'a.yaml', 'b.yaml', '--cluster', 'eu-2'], { files });
    expect(run).toMatchObject({ code: 0, stderr: '', kmsClosed: true });
    expect(run.stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['TENANT', 'OUTCOME', 'CLUSTER', 'DATABASE', 'SCHEMA', 'MS'],
      ['shop-a', 'created', 'eu-2', 'tenancy_shared', 'shop_a', '12'],
      ['shop-b', 'created', 'eu-2', 'tenancy_shared', 'shop_b', '12'],
      [''],
    ]);
    expect(run.control.closed).toBe(true);
    expect(run.control.calls[0]).toEqual(['provision', expect.objectContaining({ actor: 'operator', clusterId: 'eu-2' })]);
  });

  test('checks all files before anything is made', async () => {
    const run = await cli(['tenant', 'create', 'a.yaml', 'bad.yaml', '--json'], { files: { ...files, 'bad.yaml': 'tenant:\n  teir: standard\n' } });
    expect(run).toMatchObject({ code: 2, stdout: '', options: undefined });
    expect(documents(run).errors).toEqual([expect.objectContaining({ code: 'TENANT_CONFIG', message: expect.stringContaining('2:3 tenant.teir: unknown key; did you mean tier?') })]);
  });

  test('refuses two files for one tenant', async () => {
    const run = await cli(['tenant', 'create', 'a.yaml', 'again.yaml'], { files: { ...files, 'again.yaml': tenantFile('shop-a') } });
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('a.yaml and again.yaml both configure the tenant shop-a');
  });

  const failing = (): Partial<FakeControlPlane> => {
    const fake = new FakeControlPlane();
    return {
      provision: async (config, options): Promise<ProvisionReport> => {
        if ((config as { id: string }).id === 'shop-b') throw new ProvisioningError('The tenant shop-b could not be provisioned.', { tenantId: 'shop-b', step: 'keys', hint: 'Try again.' });
        return await fake.provision(config, options);
      },
    };
  };

  test('stops at the first failure, says what became of each file, ends with 1', async () => {
    const run = await cli(['tenant', 'create', 'a.yaml', 'b.yaml', 'c.yaml', '--json'], { files, control: failing() });
    expect(run.code).toBe(1);
    const { stdout, errors } = documents(run);
    expect((stdout['tenants'] as { outcome: string }[]).map(({ outcome }) => outcome)).toEqual(['created', 'failed', 'skipped']);
    expect(errors).toEqual([expect.objectContaining({ code: 'PROVISIONING', tenantId: 'shop-b', message: 'The tenant shop-b could not be provisioned.', hint: 'Try again.' })]);
  });

  test('goes on with --keep-going', async () => {
    const run = await cli(['tenant', 'create', 'a.yaml', 'b.yaml', 'c.yaml', '--keep-going', '--json'], { files, control: failing() });
    expect(run.code).toBe(1);
    expect((documents(run).stdout['tenants'] as { outcome: string }[]).map(({ outcome }) => outcome)).toEqual(['created', 'failed', 'created']);
  });

  test('an interruption leaves out the files that had not begun and ends with 1', async () => {
    const controller = new AbortController();
    const fake = new FakeControlPlane();
    const run = await cli(['tenant', 'create', 'a.yaml', 'b.yaml', '--json'], {
      files, signal: controller.signal,
      control: { provision: async (config, options) => { controller.abort(); return await fake.provision(config, options); } },
    });
    expect(run.code).toBe(1);
    expect((documents(run).stdout['tenants'] as { outcome: string }[]).map(({ outcome }) => outcome)).toEqual(['created', 'skipped']);
    expect(documents(run).errors).toEqual([expect.objectContaining({ code: 'ABORTED' })]);
    expect(run.control.closed).toBe(true);
  });
});

describe('tenant update, list, show', () => {
  test('list prints a table, or JSON with every detail', async () => {
    const control = await withTenants('shop-a', 'shop-b');
    const run = await cli(['tenant', 'list', '--tier', 'standard', '--status', 'active'], { control: { tenants: control.tenants.bind(control) } });
    expect(run.stdout.split('\n')[1]).toMatch(/^shop-a +The shop-a +standard +eu-west-1 +active +eu-1 +tenancy_shared +shop_a +0001$/);
    expect(control.calls).toEqual([['tenants', { tier: 'standard', region: undefined, status: 'active' }]]);
    const json = documents(await cli(['tenant', 'list', '--json'], { control: { tenants: control.tenants.bind(control) } }));
    expect(json.stdout).toMatchObject({ tenants: [{ tenant: { id: 'shop-a' }, createdAt: '2026-02-03T04:05:06.000Z' }, { tenant: { id: 'shop-b' } }] });
    expect((await cli(['tenant', 'list'])).stdout).toBe('No tenants.\n');
  });

  test('show prints placement and settings; an unknown tenant ends with 1, an impossible id with 2', async () => {
    const control = await withTenants('shop-a');
    const run = await cli(['tenant', 'show', 'shop-a'], { control: { tenant: control.tenant.bind(control) } });
    expect(run.stdout).toMatch(/^tier +standard \(isolation schema, keys platform\)$/m);
    expect(run.stdout).toMatch(/^schema +shop_a$/m);
    const unknown = await cli(['tenant', 'show', 'nobody', '--json']);
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(documents(unknown).errors).toEqual([{
      code: 'UNKNOWN_TENANT', message: 'There is no tenant nobody.', tenantId: 'nobody', hint: 'tenancy tenant list shows all.', auditId: null, retryable: false, cause: null,
    }]);
    expect(await cli(['tenant', 'show', 'No Body'])).toMatchObject({ code: 2, options: undefined });
  });

  test('update hands the checked configuration over', async () => {
    const control = await withTenants('shop-a');
    const run = await cli(['tenant', 'update', 'a.yaml'], { files: { 'a.yaml': tenantFile('shop-a') }, control: { updateTenant: control.updateTenant.bind(control) } });
    expect(run).toMatchObject({ code: 0, stdout: 'The configuration of shop-a (The shop-a) was replaced.\n' });
    expect(await cli(['tenant', 'update', 'a.yaml'], { files: { 'a.yaml': tenantFile('shop-b') } })).toMatchObject({ code: 1 });
  });
});

describe('migrate', () => {
  test('up passes its options on and counts the outcomes', async () => {
    const run = await cli(['migrate', 'up', '--tenant', 'tenant-a', '--tenant', 'tenant-b', '--concurrency', '8', '--keep-going']);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain('1 migrated, 0 unchanged, 0 failed, 0 skipped');
    expect(run.control.calls[0]).toEqual(['migrate', expect.objectContaining({ tenants: ['tenant-a', 'tenant-b'], concurrency: 8, stopOnError: false, signal: expect.any(AbortSignal) })]);
    expect((await cli(['migrate', 'up'])).control.calls[0]).toEqual(['migrate', expect.objectContaining({ tenants: undefined, stopOnError: true })]);
  });

  test('up ends with 4 when a target failed; the report is still whole', async () => {
    const control = {
      migrate: async () => ({
        failed: 1,
        targets: [
          { target: 'tenant-a', outcome: 'failed' as const, applied: [], durationMs: 1, error: new MigrationError('0002 of tenant-a failed.', { tenantId: 'tenant-a', migration: '0002' }) },
          { target: 'tenant-b', outcome: 'skipped' as const, applied: [], durationMs: 0, error: undefined },
        ],
      }),
    };
    const json = await cli(['migrate', 'up', '--json'], { control });
    expect(json.code).toBe(4);
    expect(documents(json).stdout).toMatchObject({ failed: 1, targets: [{ error: { code: 'MIGRATION', message: '0002 of tenant-a failed.' } }, { outcome: 'skipped' }] });
    expect(documents(json).errors).toEqual([expect.objectContaining({ code: 'MIGRATION', message: '1 of 2 targets failed.' })]);
    const human = await cli(['migrate', 'up'], { control });
    expect(human).toMatchObject({ code: 4, stderr: expect.stringContaining('error: 0002 of tenant-a failed.') });
  });

  test('status shows what is pending', async () => {
    expect((await cli(['migrate', 'status'])).stdout).toMatch(/^tenant-b +- +0001_tables$/m);
    expect(documents(await cli(['migrate', 'status', '--json'])).stdout).toMatchObject({ targets: [{ target: 'tenant-a', pending: [] }, { target: 'tenant-b' }] });
  });
});

describe('verify', () => {
  test.each([
    [[], 42, true, 0], [[finding('warning'), finding('info')], 42, true, 0], [[finding('error')], 42, false, 3], [[finding('critical')], 42, false, 3],
    [[], 0, true, 3], [[], 42, false, 3],
  ])('%j, %i checked, ok %j → %i', async (findings, checked, ok, code) => {
    for (const argv of [['verify'], ['verify', '--json']]) {
      expect(await cli(argv, { control: { verify: async () => ({ findings, checked, ok }) } })).toMatchObject({ code, stderr: '' });
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
    const run = await cli(['audit', 'list', '--tenant', 'tenant-a', '--outcome', 'refused', '--since', '2026-01-31', '--until', '2026-02-01T12:30+01:00', '--limit', '5']);
    expect(run.code).toBe(0);
    expect(run.control.calls).toEqual([['auditEntries', {
      tenantId: 'tenant-a', action: undefined, outcome: 'refused', since: new Date('2026-01-31T00:00Z'), until: new Date('2026-02-01T11:30Z'), limit: 5,
    }]]);
    expect(run.stdout).not.toContain(escape);
    expect(run.stdout).toContain('up\\u{1b}[2Jto\\u{202e}no good');
    expect(documents(await cli(['audit', 'list', '--json'])).stdout).toMatchObject({ entries: [{ id: 'e-1', at: '2026-02-03T04:05:06.000Z' }] });
  });

  test('a span of time counts from now', async () => {
    const { control } = await cli(['audit', 'list', '--since', '2h']);
    expect(Date.now() - (control.calls[0]![1] as { since: Date }).since.getTime()).toBeCloseTo(7_200_000, -5);
  });
});

describe('arguments', () => {
  test.each([
    [[]], [['nonsense']], [['tenant']], [['tenant', 'create']], [['tenant', 'list', '--status', 'asleep']], [['tenant', 'list', 'extra']], [['migrate', 'up', '--concurrency', '0']],
    [['migrate', 'up', '--tenant', 'NO']], [['audit', 'list', '--since', 'yesterday']], [['audit', 'list', '--since', '2026-13-45']], [['audit', 'list', '--limit', '1e3']], [['verify', '--whatever']],
  ])('%j ends with 2 before anything is opened', async (argv) => {
    const human = await cli(argv);
    expect(human).toMatchObject({ code: 2, options: undefined, stdout: '' });
    expect(human.stderr).not.toBe('');
    const json = await cli([...argv, '--json']);
    expect(json).toMatchObject({ code: 2, stdout: '' });
    expect(documents(json).errors).toEqual([expect.objectContaining({ message: expect.any(String), hint: expect.toSatisfy((hint) => hint === null || typeof hint === 'string') })]);
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
    const typed = await cli(['tenant', 'list'], refusing(new CatalogError(`There is no catalog at postgres://admin:${password}@db.example/x.`, {
      hint: 'Run tenancy init.', cause: new Error(`password ${password} refused`),
    })));
    expect(typed).toMatchObject({ code: 1, stdout: '', kmsClosed: true });
    expect(typed.stderr).toBe('error: There is no catalog at postgres://admin:***@db.example/x.\ncause: password *** refused\nhint: Run tenancy init.\n');
    const foreign = await cli(['tenant', 'list', '--json'], refusing(new Error('Failed query: select $1\nparams: 4111 1111 1111 1111')));
    expect(documents(foreign).errors).toEqual([expect.objectContaining({ code: 'UNEXPECTED', message: 'Failed query: select $1' })]);
    const refused = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' });
    expect((await cli(['tenant', 'list'], refusing(refused))).stderr).toBe('error: ECONNREFUSED\n');
  });

  test('closing never hides the error of the work', async () => {
    const run = await cli(['verify'], {
      control: { verify: () => Promise.reject(new QueryFailedError('It failed.', { sqlState: 'XX000' })), close: () => Promise.reject(new Error('close failed')) },
    });
    expect(run).toMatchObject({ code: 1, stderr: 'error: It failed.\n' });
    expect(await cli(['verify'], { control: { close: () => Promise.reject(new Error('close failed')) } })).toMatchObject({ code: 1, stderr: 'error: close failed\n' });
  });

  test('a configuration that can’t be read, or lacks a variable, ends with 2 and shows no value', async () => {
    expect(await cli(['verify', '--config', 'absent.yaml'])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('absent.yaml can\'t be read') });
    expect(await cli(['verify'], { env: { TENANCY_CONFIG: 'other.yaml' } })).toMatchObject({ code: 2, stderr: expect.stringContaining('other.yaml') });
    const missing = await cli(['verify'], { env: { ADMIN_PASSWORD: undefined } });
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('needs the environment variable ADMIN_PASSWORD') });
  });
});

describe('terminals', () => {
  test('colours and bars only where a terminal is and nobody says no', async () => {
    const control = { verify: async () => ({ findings: [finding('error')], checked: 1, ok: false }) };
    expect((await cli(['verify'], { control, tty: true })).stdout).toContain(`${escape}[31m`);
    expect((await cli(['verify'], { control })).stdout).not.toContain(escape);
    expect((await cli(['verify'], { control, tty: true, env: { NO_COLOR: '1' } })).stdout).not.toContain(escape);
    expect((await cli(['verify'], { control, tty: true, env: { NO_COLOR: '' } })).stdout).toContain(escape);
    expect((await cli(['verify', '--json'], { control, tty: true })).stdout).not.toContain(escape);
    expect((await cli(['migrate', 'up'], { tty: true })).stderr).toContain('█');
    expect((await cli(['migrate', 'up'])).stderr).toBe('');
    expect((await cli(['migrate', 'up', '--json'], { tty: true })).stderr).toBe('');
  });
});
