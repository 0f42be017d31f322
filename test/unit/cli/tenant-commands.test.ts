import { describe, expect, test } from 'vitest';
import { ConfigurationError, ProvisioningError } from '../../../src/errors.ts';
import type { ProvisionReport } from '../../../src/provision/provision-report.ts';
import { cli, documents, tenantFile } from './support/cli-harness.ts';
import { FakeControlPlane } from './support/fake-control-plane.ts';

async function withTenants(...ids: string[]): Promise<FakeControlPlane> {
  const control = new FakeControlPlane();
  for (const id of ids) await control.provision({ id, name: `The ${id}`, tier: 'standard', region: 'eu-west-1' });
  control.calls.length = 0;
  return control;
}

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
    const run = await cli(['tenant', 'create', 'a.yaml', 'bad.yaml', '--json'], {
      files: { ...files, 'bad.yaml': 'tenant:\n  teir: standard\n' },
    });
    expect(run).toMatchObject({ code: 2, stdout: '', options: undefined });
    expect(documents(run).errors).toEqual([
      expect.objectContaining({
        code: 'TENANT_CONFIG',
        issues: expect.arrayContaining([{ path: 'tenant.teir', line: 2, column: 3, message: 'unknown key; did you mean tier?' }]),
        message: expect.stringContaining('2:3 tenant.teir: unknown key; did you mean tier?'),
      }),
    ]);
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
        if ((config as { id: string }).id === 'shop-b')
          throw new ProvisioningError('The tenant shop-b could not be provisioned.', {
            tenantId: 'shop-b',
            step: 'keys',
            hint: 'Try again.',
          });
        return await fake.provision(config, options);
      },
    };
  };

  test('stops at the first failure, says what became of each file, ends with 1', async () => {
    const run = await cli(['tenant', 'create', 'a.yaml', 'b.yaml', 'c.yaml', '--json'], { files, control: failing() });
    expect(run.code).toBe(1);
    const { stdout, errors } = documents(run);
    expect((stdout['tenants'] as { outcome: string }[]).map(({ outcome }) => outcome)).toEqual(['created', 'failed', 'skipped']);
    expect(errors).toEqual([
      expect.objectContaining({
        code: 'PROVISIONING',
        tenantId: 'shop-b',
        message: 'The tenant shop-b could not be provisioned.',
        hint: 'Try again.',
      }),
    ]);
  });

  test('ends with 2 when nothing was made because the files ask for what there is not', async () => {
    const fake = new FakeControlPlane();
    const noTier = (id: string): Partial<FakeControlPlane> => ({
      provision: async (config, options) => {
        if ((config as { id: string }).id === id) throw new ConfigurationError('There is no tier gold.', { tenantId: id });
        return await fake.provision(config, options);
      },
    });
    expect(await cli(['tenant', 'create', 'a.yaml', 'b.yaml'], { files, control: noTier('shop-a') })).toMatchObject({ code: 2 });
    expect(await cli(['tenant', 'create', 'a.yaml', 'b.yaml'], { files, control: noTier('shop-b') })).toMatchObject({ code: 1 });
  });

  test('goes on with --keep-going', async () => {
    const run = await cli(['tenant', 'create', 'a.yaml', 'b.yaml', 'c.yaml', '--keep-going', '--json'], { files, control: failing() });
    expect(run.code).toBe(1);
    expect((documents(run).stdout['tenants'] as { outcome: string }[]).map(({ outcome }) => outcome)).toEqual([
      'created',
      'failed',
      'created',
    ]);
  });

  test('an interruption leaves out the files that had not begun and ends with 1', async () => {
    const controller = new AbortController();
    const fake = new FakeControlPlane();
    const run = await cli(['tenant', 'create', 'a.yaml', 'b.yaml', '--json'], {
      files,
      signal: controller.signal,
      control: {
        provision: async (config, options) => {
          controller.abort();
          return await fake.provision(config, options);
        },
      },
    });
    expect(run.code).toBe(1);
    expect((documents(run).stdout['tenants'] as { outcome: string }[]).map(({ outcome }) => outcome)).toEqual(['created', 'skipped']);
    expect(documents(run).errors).toEqual([expect.objectContaining({ code: 'ABORTED' })]);
    expect(run.control.closed).toBe(true);
  });
});

test('an interruption that came too late to leave anything out is no failure', async () => {
  const controller = new AbortController();
  const fake = new FakeControlPlane();
  const run = await cli(['tenant', 'create', 'a.yaml'], {
    files: { 'a.yaml': tenantFile('shop-a') },
    signal: controller.signal,
    control: {
      provision: async (config, options) => {
        controller.abort();
        return await fake.provision(config, options);
      },
    },
  });
  expect(run).toMatchObject({ code: 0, stderr: '' });
});

describe('tenant update, list, show', () => {
  test('list prints a table, or JSON with every detail', async () => {
    const control = await withTenants('shop-a', 'shop-b');
    const run = await cli(['tenant', 'list', '--tier', 'standard', '--status', 'active'], {
      control: { tenants: control.tenants.bind(control) },
    });
    expect(run.stdout.split('\n')[1]).toMatch(/^shop-a +The shop-a +standard +eu-west-1 +active +eu-1 +tenancy_shared +shop_a +0001$/);
    expect(control.calls).toEqual([['tenants', { tier: 'standard', region: undefined, status: 'active' }]]);
    const json = documents(await cli(['tenant', 'list', '--json'], { control: { tenants: control.tenants.bind(control) } }));
    expect(json.stdout).toMatchObject({
      tenants: [{ tenant: { id: 'shop-a' }, createdAt: '2026-02-03T04:05:06.000Z' }, { tenant: { id: 'shop-b' } }],
    });
    expect((await cli(['tenant', 'list'])).stdout).toBe('No tenants.\n');
  });

  test('show prints placement and settings; an unknown tenant ends with 1, an impossible id with 2', async () => {
    const control = await withTenants('shop-a');
    const run = await cli(['tenant', 'show', 'shop-a'], { control: { tenant: control.tenant.bind(control) } });
    expect(run.stdout).toMatch(/^tier +standard \(isolation schema, keys platform\)$/m);
    expect(run.stdout).toMatch(/^schema +shop_a$/m);
    const unknown = await cli(['tenant', 'show', 'nobody', '--json']);
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(documents(unknown).errors).toEqual([
      {
        code: 'UNKNOWN_TENANT',
        message: 'There is no tenant nobody.',
        tenantId: 'nobody',
        hint: 'tenancy tenant list shows all.',
        auditId: null,
        retryable: false,
        cause: null,
      },
    ]);
    expect(await cli(['tenant', 'show', 'No Body'])).toMatchObject({ code: 2, options: undefined });
  });

  test('update hands the checked configuration over', async () => {
    const control = await withTenants('shop-a');
    const run = await cli(['tenant', 'update', 'a.yaml'], {
      files: { 'a.yaml': tenantFile('shop-a') },
      control: { updateTenant: control.updateTenant.bind(control) },
    });
    expect(run).toMatchObject({ code: 0, stdout: 'The configuration of shop-a (The shop-a) was replaced.\n' });
    expect(await cli(['tenant', 'update', 'a.yaml'], { files: { 'a.yaml': tenantFile('shop-b') } })).toMatchObject({ code: 1 });
  });
});
