import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createControlPlane } from '../../../src/control.ts';
import { CatalogError, ClosedError, ConfigurationError } from '../../../src/errors.ts';
import { localKeyManager } from '../../../src/kms/local.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { adminUrl } from '../../support/server.ts';
import { createShop } from '../../support/shop/platform.ts';

describe('the control plane', () => {
  let platform: TestPlatform<Record<string, never>>;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenancy-control-'));
    await writeFile(join(folder, '0001_units.sql'), 'create table units (code text primary key);');
    platform = await createTestPlatform({
      schema: {},
      adminUrl: adminUrl(),
      migrations: { directory: folder, reference: folder },
      tenants: [],
    });
  });
  afterAll(async () => {
    await platform?.close();
    await rm(folder, { recursive: true, force: true });
  });
  const kms = () => localKeyManager({ file: join(folder, 'keys.json'), region: 'us-east-1' });

  test('init is idempotent and answers with the same URL', async () => {
    const again = await platform.control.init();
    expect(again).toMatchObject({ changed: false, serviceCatalogUrl: platform.serviceCatalogUrl });
  });

  test('clusters that would share names are refused', async () => {
    const clusters = [
      { id: 'a', region: 'us-east-1', adminUrl: adminUrl() },
      { id: 'b', region: 'us-east-1', adminUrl: adminUrl() },
    ];
    await expect(createControlPlane({ catalog: { adminUrl: adminUrl() }, clusters, kms: kms() })).rejects.toBeInstanceOf(
      ConfigurationError,
    );
    await expect(
      createControlPlane({ catalog: { adminUrl: adminUrl() }, clusters: [clusters[0]!, clusters[0]!], kms: kms() }),
    ).rejects.toBeInstanceOf(ConfigurationError);
  });

  test('a server that is down and a wrong password are said in words, without the password', async () => {
    for (const [url, words] of [
      ['postgres://postgres:hunter2@127.0.0.1:1/postgres', 'could not be reached'],
      [adminUrl().replace(/:[^:@/]+@/, ':hunter2@'), 'refused the login'],
    ] as const) {
      await using control = await createControlPlane({ catalog: { adminUrl: url, rolePrefix: 'tdown' }, clusters: [], kms: kms() });
      const error = await control.init().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(CatalogError);
      expect((error as Error).message).toContain(words);
      expect((error as Error).message).not.toContain('hunter2');
    }
  });

  test('a table without tenant_id stops the migration, and nothing is granted', async () => {
    const error = await platform.control
      .provision({ id: 'acme', name: 'acme', tier: 'standard', region: 'us-east-1' })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'PROVISIONING', step: 'migrate' });
    expect(String((error as Error).cause)).toContain('tenant_id');
  });

  test('changes are recorded before and after, with who made them', async () => {
    await using plain = await createShop({ tenants: [{ id: 'acme', tier: 'standard' }] });
    await plain.control.setStatus('acme', 'suspended', { actor: 'on-call' });
    const entries = await plain.control.auditEntries({ tenantId: 'acme', action: 'tenant' });
    expect(entries.slice(0, 2).map(({ outcome, actor, reason }) => ({ outcome, actor, reason }))).toEqual([
      { outcome: 'completed', actor: 'on-call', reason: 'status suspended' },
      { outcome: 'allowed', actor: 'on-call', reason: 'status suspended' },
    ]);
  });

  test('after close it refuses', async () => {
    const control = await createControlPlane({ ...platform.controlOptions, kms: platform.keyManagers() });
    await control.close();
    await expect(control.tenants()).rejects.toBeInstanceOf(ClosedError);
  });
});
