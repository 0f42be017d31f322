import { expect, test } from 'vitest';
import { cli, documents, tenantFile } from './support/cli-harness.ts';

const deaf = { id: 'p1', name: 'api@host:7', keysEndAt: new Date('2026-02-03T05:00:00Z') };

test('status prints a table and what is wrong, and ends with 3 when something is', async () => {
  expect(await cli(['keys', 'status'])).toMatchObject({ code: 0, stdout: 'No tenants.\n' });
  const status = {
    tenantId: 'acme',
    keks: [
      {
        provider: 'local/x',
        keyRef: 'k',
        owner: 'tenant',
        catalogState: 'active',
        wraps: 2,
        region: 'x',
        protection: 'software',
        state: 'disabled',
      },
    ],
    dataKeys: [{ version: 1, state: 'active', createdAt: new Date(0), values: undefined }],
    indexSecret: true,
    rotation: undefined,
    shreddedAt: undefined,
    problems: [{ id: 'kek-unusable', message: 'The KEK "k" of local/x is disabled.' }],
  } as const;
  const run = await cli(['keys', 'status', 'acme'], { control: { keyStatus: async () => [status] } });
  expect(run.code).toBe(3);
  expect(run.stdout).toMatch(
    /acme +local\/x +tenant +software +disabled +1 active +- +kek-unusable\n\nacme: The KEK "k" of local\/x is disabled\.\n$/,
  );
  const json = await cli(['keys', 'status', '--json'], { control: { keyStatus: async () => [status] } });
  expect(documents(json).stdout).toMatchObject({ tenants: [{ tenantId: 'acme', problems: [{ id: 'kek-unusable' }] }] });
});

test('rotate passes its options on, and says who has not answered', async () => {
  const run = await cli(['keys', 'rotate', 'acme', '--batch', '50', '--rows', '100', '--wait', '5', '--actor', 'ada']);
  expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('version 2 (done): 1 values rewritten') });
  expect(run.control.calls).toEqual([
    ['rotateKeys', expect.objectContaining({ tenantId: 'acme', batchSize: 50, rowsPerSecond: 100, waitMs: 5_000, actor: 'ada' })],
  ]);
  const report = {
    tenantId: 'acme',
    version: 2,
    resumed: false,
    step: 'published',
    rewritten: 0,
    remaining: 0,
    unreadable: 0,
    retired: [],
  } as const;
  const waiting = await cli(['keys', 'rotate', 'acme', '--json'], {
    control: { rotateKeys: async () => ({ ...report, waitingFor: [deaf] }) },
  });
  expect(waiting.code).toBe(1);
  expect(documents(waiting)).toMatchObject({
    stdout: { step: 'published' },
    errors: [
      { code: 'CATALOG', retryable: true, message: expect.stringContaining('api@host:7 (its keys end at 2026-02-03T05:00:00.000Z)') },
    ],
  });
  const kek = await cli(['keys', 'rotate', 'acme', '--kek']);
  expect(kek.control.calls).toEqual([['rewrapKeys', { tenantId: 'acme', actor: 'operator' }]]);
  expect(await cli(['keys', 'rotate', 'acme', '--batch', '0'])).toMatchObject({ code: 2 });
});

test('move passes its options on', async () => {
  const run = await cli(['keys', 'move', 'acme', '--provider', 'local/eu-west-1', '--protection', 'hsm', '--disable-old']);
  expect(run).toMatchObject({ code: 0, stdout: '2 keys of acme are wrapped by local/eu-west-1 new (software).\n' });
  expect(run.control.calls).toEqual([
    ['moveKeys', { tenantId: 'acme', provider: 'local/eu-west-1', protection: 'hsm', disableOld: true, actor: 'operator' }],
  ]);
  expect(await cli(['keys', 'move', 'acme', '--protection', 'paper'])).toMatchObject({ code: 2 });
});

test('shred needs confirmation and reason, and says what is not complete', async () => {
  expect(await cli(['keys', 'shred', 'acme'])).toMatchObject({ code: 2 });
  expect(await cli(['keys', 'shred', 'acme', '--confirm', 'acme'])).toMatchObject({ code: 2 });
  const call = ['keys', 'shred', 'acme', '--confirm', 'acme', '--reason', 'ended'];
  const run = await cli([...call, '--kek', 'disable', '--days', '7', '--force']);
  expect(run.code).toBe(0);
  expect(run.control.calls).toEqual([
    [
      'shredKeys',
      expect.objectContaining({ confirm: 'acme', reason: 'ended', kek: 'disable', deletionDays: 7, force: true, actor: 'operator' }),
    ],
  ]);
  expect(await cli(call, { env: { USER: undefined } })).toMatchObject({ code: 2 });
  const certificate = await run.control.shredKeys('acme', { confirm: 'acme', actor: 'ada', reason: 'ended' });
  const silent = [{ id: deaf.id, name: deaf.name, keysEndAt: deaf.keysEndAt.toISOString() }];
  const partly = { ...certificate, complete: false, processes: { ...certificate.processes, silent } };
  const incomplete = await cli(call, { control: { shredKeys: async () => partly } });
  expect(incomplete).toMatchObject({ code: 1, stderr: expect.stringContaining('api@host:7') });
});

test('a certificate is read from its file, and one that is not valid ends with 3', async () => {
  const files = { 'c.json': '{"tenantId":"acme"}', 'bad.json': tenantFile('acme') };
  const run = await cli(['keys', 'verify-certificate', 'c.json'], { files });
  expect(run).toMatchObject({ code: 0, stdout: 'valid\n' });
  expect(run.control.calls).toEqual([['verifyShredCertificate', { tenantId: 'acme' }]]);
  expect(await cli(['keys', 'verify-certificate', 'bad.json'], { files })).toMatchObject({ code: 2 });
  const invalid = await cli(['keys', 'verify-certificate', 'c.json'], { files, control: { verifyShredCertificate: async () => false } });
  expect(invalid).toMatchObject({ code: 3, stdout: expect.stringContaining('not valid') });
});

test('destroy names the version', async () => {
  const run = await cli(['keys', 'destroy', 'acme', '--data-key', '1']);
  expect(run).toMatchObject({ code: 0 });
  expect(run.control.calls).toEqual([['destroyRetiredKey', { tenantId: 'acme', version: 1, actor: 'operator' }]]);
  expect(await cli(['keys', 'destroy', 'acme'])).toMatchObject({ code: 2 });
});

test('rewrap-platform passes its options on and names what must stay enabled', async () => {
  const run = await cli(['keys', 'rewrap-platform', '--new-kek']);
  expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/3 tenants and 5 secrets[\s\S]*enabled for the audit log: old\./) });
  expect(run.control.calls).toEqual([['rewrapPlatformKeys', { newKek: true, actor: 'operator' }]]);
});
