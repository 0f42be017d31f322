import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createControlPlane } from '../../../src/control.ts';
import { CatalogError, ClosedError, ConfigurationError } from '../../../src/errors.ts';
import { localKeyManager } from '../../../src/kms/local.ts';
import { withClient } from '../../../src/provision/admin-client.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { adminUrl, serverMajor, urlOf } from '../../support/server.ts';
import { createShop } from '../../support/shop/platform.ts';
import { products } from '../../support/shop/schema.ts';

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

  test('an administrator who may only create roles and databases is enough, and verify stays clean', async () => {
    const login = `${platform.rolePrefix}_admin`;
    await withClient(adminUrl(), (sql) => sql.unsafe(`create role "${login}" login createdb createrole password 'probe'`));
    try {
      await using managed = await createShop({
        adminUrl: urlOf(login, 'probe', 'postgres'),
        tenants: [
          { id: 'acme', tier: 'standard' },
          { id: 'initech', tier: 'enterprise' },
        ],
      });
      const report = await managed.control.verify();
      // That the administrator may become the roles that it made is said, and what it lacked the right to take away. Before 15 schema
      // public is the superuser's.
      const major = await serverMajor();
      const known = ({ id, location }: { id: string; location: string }): boolean =>
        ['role-member', 'language-open', 'function-open', 'new-tables-unguarded'].includes(id) ||
        (major < 15 && location.endsWith('public'));
      expect(report.findings.filter((finding) => !known(finding))).toEqual([]);
      for (const id of ['acme', 'initech']) expect(await managed.tenancy.run(id, () => managed.tenancy.db.$count(products))).toBe(0);
    } finally {
      await withClient(adminUrl(), (sql) => sql.unsafe(`drop role "${login}"`));
    }
  });

  test('after close it refuses', async () => {
    const control = await createControlPlane({ ...platform.controlOptions, kms: platform.keyManagers() });
    await control.close();
    await expect(control.tenants()).rejects.toBeInstanceOf(ClosedError);
  });
});
