import { expect, test } from 'vitest';
import { CatalogError } from '../../../src/errors.ts';
import { cli, config, documents } from './support/cli-harness.ts';
import { FakeControlPlane, filled } from './support/fake-control-plane.ts';

const files = { 'schema.mjs': 'export const marked = 7;' };
const fake = new FakeControlPlane();
const controlling = (columns: Partial<FakeControlPlane['columns']>) => ({ columns: { ...fake.columns, ...columns } });

const status = {
  column: 'customers.note_encrypted',
  adopts: { column: 'note', write: 'encrypted' },
  plaintext: 3,
  encrypted: 4,
  untagged: 0,
  contracted: false,
} as const;

test('status prints a table, and ends with 3 while rows want something', async () => {
  const run = await cli(['columns', 'status', '--schema', 'schema.mjs'], {
    files,
    control: controlling({ status: async () => [{ tenantId: 'acme', columns: [status], error: undefined }] }),
  });
  expect(run.code).toBe(3);
  expect(run.stdout).toMatch(/acme +customers\.note_encrypted +note, writes encrypted +3 +4 +0 +no\n$/);
  const done = { ...status, adopts: undefined, plaintext: 0 };
  const finished = await cli(['columns', 'status', '--schema', 'schema.mjs', '--json'], {
    files,
    control: controlling({ status: async () => [{ tenantId: 'acme', columns: [done], error: undefined }] }),
  });
  expect(finished.code).toBe(0);
  expect(documents(finished).stdout).toMatchObject({ tenants: [{ tenantId: 'acme', columns: [{ plaintext: 0 }] }] });
});

test('backfill passes its options on, and says what was left', async () => {
  const all = ['--tenant', 'acme', '--tenant', 'b', '--column', 'customers.note', '--batch', '50', '--rows', '100', '--actor', 'ada'];
  const run = await cli(['columns', 'backfill', '--schema', 'schema.mjs', ...all], { files });
  expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/acme +customers\.note_encrypted +7 +2 +0 +0 +0 +0\n$/) });
  expect(run.control.calls).toEqual([
    [
      'columns.backfill',
      expect.objectContaining({ tenants: ['acme', 'b'], columns: ['customers.note'], batchSize: 50, rowsPerSecond: 100, actor: 'ada' }),
    ],
  ]);
  expect((run.control.calls[0]![1] as { schema: object }).schema).toMatchObject({ marked: 7 });
  const conflict = filled({ conflicting: 1, left: [{ key: { id: '4\u001b[2J' }, reason: 'conflicting' }] });
  const partly = await cli(['columns', 'backfill', '--schema', 'schema.mjs'], {
    files,
    control: controlling({
      backfill: async () => ({ tenants: [{ tenantId: 'acme', columns: [conflict], error: undefined }], failed: 0, done: false }),
    }),
  });
  expect(partly.code).toBe(3);
  expect(partly.stdout).toContain('acme customers.note_encrypted conflicting: {"id":"4');
  expect(partly.stdout).not.toContain('\u001b');
  expect(await cli(['columns', 'backfill', '--schema', 'schema.mjs', '--batch', '0'], { files })).toMatchObject({ code: 2 });
});

test('a tenant that failed ends each of them with 4', async () => {
  const error = new CatalogError('The keys or columns of tenant "acme" are being changed.', { tenantId: 'acme', retryable: true });
  const tenants = [{ tenantId: 'acme', columns: [], error }];
  const control = controlling({
    status: async () => tenants,
    backfill: async () => ({ tenants, failed: 1, done: false }),
    contract: async () => ({ tenants, failed: 1 }),
  });
  for (const command of ['status', 'backfill', 'contract']) {
    const run = await cli(['columns', command, '--schema', 'schema.mjs'], { files, control });
    expect(run).toMatchObject({ code: 4, stderr: expect.stringContaining('are being changed') });
    const json = documents(await cli(['columns', command, '--schema', 'schema.mjs', '--json'], { files, control }));
    expect(json).toMatchObject({ stdout: { tenants: [{ error: { code: 'CATALOG', retryable: true } }] }, errors: [] });
  }
});

test('contract says what stays behind', async () => {
  const run = await cli(['columns', 'contract', '--schema', 'schema.mjs'], { files });
  expect(run).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('customers_note_adopted'),
    stderr: expect.stringContaining('VACUUM'),
  });
  expect(run.control.calls).toEqual([['columns.contract', expect.objectContaining({ actor: 'operator' })]]);
});

test('the schema is the one of the option, else of the configuration file; without either, or one that can’t be imported, nothing is done', async () => {
  const configured = { ...files, 'tenancy.yaml': `schema: ./schema.mjs\n${config}` };
  const run = await cli(['columns', 'status'], { files: configured });
  expect(run.code).toBe(0);
  expect((run.control.calls[0]![1] as { schema: object }).schema).toMatchObject({ marked: 7 });
  for (const [argv, given] of [
    [[], files],
    [['--schema', 'absent.mjs'], configured],
    [['--schema', 'broken.mjs'], { ...files, 'broken.mjs': 'throw new Error("no")' }],
  ] as const) {
    const refused = await cli(['columns', 'backfill', ...argv], { files: given });
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.control.calls).toEqual([]);
  }
});
