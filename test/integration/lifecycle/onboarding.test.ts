import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CatalogError, ConfigurationError, ProvisioningError, ResidencyError, TenantConfigError } from '../../../src/errors.ts';
import { withClient } from '../../../src/provision/admin-client.ts';
import { defaultTiers } from '../../../src/tenant/tier.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { adminUrl } from '../../support/server.ts';
import * as schema from '../../support/shop/schema.ts';

const good = 'create table notes (tenant_id text not null, id integer not null, primary key (tenant_id, id));';
const config = (id: string, tier: string) => ({ id, name: id, tier, region: 'us-east-1' });

describe('onboarding that fails half-way', () => {
  let platform: TestPlatform<typeof schema>;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tenancy-onboarding-'));
    await writeFile(join(directory, '0001_notes.sql'), good);
    const tiers = { ...defaultTiers, pool: { ...defaultTiers['standard']!, name: 'pool', isolation: 'row' as const } };
    platform = await createTestPlatform({ schema, adminUrl: adminUrl(), migrations: { directory }, tenants: [], tiers });
  });
  afterAll(async () => {
    await platform?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** A control plane that finds a migration which can't be applied. */
  async function withBrokenMigration<T>(work: (control: TestPlatform<typeof schema>['control']) => Promise<T>): Promise<T> {
    const { createControlPlane } = await import('../../../src/control.ts');
    const broken = await mkdtemp(join(tmpdir(), 'tenancy-onboarding-'));
    await writeFile(join(broken, '0001_notes.sql'), `${good}\ncreate table notes (id integer);`);
    const control = await createControlPlane({
      ...platform.controlOptions,
      kms: platform.keyManagers(),
      migrations: { directory: broken },
    });
    try {
      return await work(control);
    } finally {
      await control.close();
      await rm(broken, { recursive: true, force: true });
    }
  }

  async function namesLike(tenant: string): Promise<readonly string[]> {
    return await withClient(adminUrl(), async (admin) => {
      const rows = await admin<{ name: string }[]>`
        select datname::text as name from pg_database where datname ~ ${`^${platform.rolePrefix}.*_${tenant}`}
        union all select rolname::text from pg_roles where rolname ~ ${`^${platform.rolePrefix}.*_${tenant}`}`;
      return rows.map(({ name }) => name);
    });
  }

  for (const [tenant, tier] of [
    ['alpha', 'standard'],
    ['beta', 'enterprise'],
  ] as const) {
    test(`${tier}: what it had made is dropped, keys stay, and running it again goes on`, async () => {
      const error = await withBrokenMigration((control) => control.provision(config(tenant, tier)).catch((reason: unknown) => reason));
      expect(error).toBeInstanceOf(ProvisioningError);
      expect(error).toMatchObject({ step: 'migrate', tenantId: tenant });
      expect((error as Error).message).toContain('dropped again');
      expect(await namesLike(tenant)).toEqual([]);
      const stopped = await platform.control.tenant(tenant);
      expect(stopped.tenant.status).toBe('provisioning');
      await expect(platform.tenancy.run(tenant, () => 1)).rejects.toMatchObject({ code: 'TENANT_INACTIVE' });

      const steps: string[] = [];
      const report = await platform.control.provision(config(tenant, tier), { onStep: (step) => steps.push(step) });
      expect(report).toMatchObject({ created: true, tenant: { status: 'active' } });
      expect(steps).toEqual(['record', 'keys', 'database', 'schema', 'migrate', 'activate']);
      await expect
        .poll(
          () =>
            platform.tenancy
              .run(tenant, async () => (await platform.tenancy.sql`select count(*)::int as n from notes`).length)
              .catch(() => 0),
          { timeout: 5_000 },
        )
        .toBe(1);
      const failed = await platform.control.auditEntries({ action: 'tenant', outcome: 'failed', tenantId: tenant });
      expect(failed).toMatchObject([{ errorCode: 'MIGRATION', detail: { step: 'migrate' } }]);
    });
  }

  test('an abort between two steps undoes them too', async () => {
    const abort = new AbortController();
    const error = await platform.control
      .provision(config('gamma', 'enterprise'), {
        signal: abort.signal,
        onStep: (step) => {
          if (step === 'schema') abort.abort();
        },
      })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'PROVISIONING', step: 'schema' });
    expect(await namesLike('gamma')).toEqual([]);
  });

  test('a schema that somebody else made is neither taken over nor dropped', async () => {
    const database = `${platform.rolePrefix}_shared`;
    await withClient(adminUrl(database), (admin) => admin.unsafe('create schema delta; create table delta.theirs (id integer)'));
    await expect(platform.control.provision(config('delta', 'standard'))).rejects.toMatchObject({ step: 'schema' });
    await withClient(adminUrl(database), async (admin) =>
      expect(await admin`select to_regclass('delta.theirs') is not null as there`).toEqual([{ there: true }]),
    );
  });

  test('two processes that provision one tenant do not undo each other', async () => {
    const outcomes = await Promise.allSettled([
      platform.control.provision(config('epsilon', 'standard')),
      platform.control.provision(config('epsilon', 'standard')),
    ]);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused.every(({ reason }) => (reason as ProvisioningError).retryable)).toBe(true);
    expect((await platform.control.tenant('epsilon')).tenant.status).toBe('active');
  });

  test('bad input is refused before anything is made', async () => {
    await expect(platform.control.provision({ ...config('zeta', 'standard'), colour: 'red' })).rejects.toBeInstanceOf(TenantConfigError);
    await expect(platform.control.provision(config('zeta', 'gold'))).rejects.toBeInstanceOf(ConfigurationError);
    await expect(platform.control.provision({ ...config('zeta', 'standard'), region: 'ap-south-1' })).rejects.toBeInstanceOf(
      ProvisioningError,
    );
    await expect(
      platform.control.provision({ ...config('zeta', 'standard'), region: 'ap-south-1' }, { clusterId: 'us-east-1' }),
    ).rejects.toBeInstanceOf(ResidencyError);
    await expect(platform.control.provision(config('zeta', 'premium'), { clusterId: 'us-east-1' })).rejects.toMatchObject({
      step: 'record',
    });
    expect((await platform.control.tenants()).map(({ tenant }) => tenant.id)).not.toContain('zeta');
  });

  test('an active tenant is not changed on the side', async () => {
    await platform.control.provision(config('eta', 'standard'));
    await expect(platform.control.provision({ ...config('eta', 'standard'), name: 'Other' })).rejects.toBeInstanceOf(CatalogError);
    expect((await platform.control.updateTenant({ ...config('eta', 'standard'), name: 'Other' })).name).toBe('Other');
    await expect(platform.control.updateTenant(config('eta', 'enterprise'))).rejects.toBeInstanceOf(CatalogError);
  });

  test('tenants of a pool share one schema and see their own rows only, also in raw SQL', async () => {
    for (const id of ['p-one', 'p-two']) await platform.control.provision(config(id, 'pool'));
    const { tenancy } = platform;
    for (const [index, id] of ['p-one', 'p-two'].entries())
      await tenancy.run(
        id,
        () => tenancy.sql`insert into notes (tenant_id, id) select ${id}, g from generate_series(1, ${index + 1}::int) g`,
      );
    expect(await tenancy.run('p-one', () => tenancy.sql`select tenant_id, id from notes`)).toEqual([{ tenant_id: 'p-one', id: 1 }]);
    expect((await tenancy.run('p-two', () => tenancy.sql`select id from pool.notes`)).length).toBe(2);
    expect((await platform.control.tenant('p-two')).placement).toMatchObject({ schema: 'pool', isolation: 'row' });
    expect((await platform.control.verify()).findings).toEqual([]);
  });
});
