import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Auditor } from '../../../src/audit/auditor.ts';
import { AuditReader } from '../../../src/audit-store/audit-reader.ts';
import { PostgresAuditSink } from '../../../src/audit-store/postgres-audit-sink.ts';
import { CachedCatalog } from '../../../src/catalog/cached-catalog.ts';
import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { CatalogReader } from '../../../src/catalog/catalog-reader.ts';
import { ClusterStore } from '../../../src/catalog/cluster-store.ts';
import { CredentialStore } from '../../../src/catalog/credential-store.ts';
import { KeyStore } from '../../../src/catalog/key-store.ts';
import { PlacementStore } from '../../../src/catalog/placement-store.ts';
import { TenantStore } from '../../../src/catalog/tenant-store.ts';
import { ClusterCap } from '../../../src/connection/cluster-cap.ts';
import { openPostgresLane } from '../../../src/connection/postgres-lane.ts';
import { PostgresLanePool } from '../../../src/connection/postgres-lane-pool.ts';
import { LoginRefusedError, PolicyViolationError, ResidencyError, TenantInactiveError } from '../../../src/errors.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { localKeyManager } from '../../../src/kms/local.ts';
import { ContextAuthority } from '../../../src/provision/context-authority.ts';
import { CredentialVault } from '../../../src/provision/credential-vault.ts';
import { installCluster } from '../../../src/provision/install-cluster.ts';
import { platformNames } from '../../../src/provision/names.ts';
import { PlatformKeys } from '../../../src/provision/platform-keys.ts';
import { CatalogRouter, type CatalogRouterOptions } from '../../../src/routing/catalog-router.ts';
import type { OpenPool } from '../../../src/routing/pool-request.ts';
import type { Route } from '../../../src/routing/route.ts';
import { sealedCredentials } from '../../../src/routing/sealed-credentials.ts';
import { enterScope, GrantedWork, Scope } from '../../../src/tenant/scope.ts';
import { parseTenantConfig } from '../../../src/tenant/tenant-config.ts';
import { defaultTiers } from '../../../src/tenant/tier.ts';
import { checkServiceLogin } from '../../../src/verify/login-check.ts';
import { adminClient, adminUrl, uniquePrefix } from '../../support/server.ts';
import { type CatalogDatabase, createCatalogDatabase } from '../catalog/catalog-database.ts';

const names = platformNames(uniquePrefix());
const region = 'us-east-1';

let database: CatalogDatabase;
let service: CatalogClient;
let reader: CatalogReader;
let managers: KeyManagers;
let vault: CredentialVault;
let auditor: Auditor;
let folder: string;
let pools = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-router-'));
  database = await createCatalogDatabase();
  managers = new KeyManagers(localKeyManager({ file: join(folder, 'keys'), region }));
  const store = new KeyStore(database.owner);
  await new PlatformKeys({ store, managers }).ensure();
  vault = new CredentialVault({ store: new CredentialStore(database.owner), keys: store, managers });
  await installCluster(
    { id: 'here', region, adminUrl: adminUrl(), rolePrefix: names.owner.replace('_owner', '') },
    {
      vault,
      authority: new ContextAuthority({ store, managers }),
      clusters: new ClusterStore(database.owner),
    },
  );
  for (const [id, residency] of [
    ['acme', region],
    ['globex', region],
    ['initech', 'eu-west-1'],
    ['idle', region],
  ] as const) {
    await new TenantStore(database.owner, defaultTiers).insert(parseTenantConfig({ id, name: id, tier: 'standard', region: residency }));
    await new PlacementStore(database.owner).insert({
      tenantId: id,
      clusterId: 'here',
      database: names.sharedDatabase,
      schema: id,
      isolation: 'schema',
      schemaVersion: '',
    });
    if (id !== 'idle') await new TenantStore(database.owner, defaultTiers).setStatus(id, 'active');
  }
  service = await CatalogClient.open({ url: database.serviceUrl });
  reader = new CatalogReader({ session: service, tiers: defaultTiers });
  auditor = new Auditor([new PostgresAuditSink({ session: service })]);
});

afterAll(async () => {
  await service?.close();
  await managers?.close();
  await database?.[Symbol.asyncDispose]();
  const server = adminClient();
  await server.unsafe(`drop database if exists "${names.sharedDatabase}" with (force)`);
  for (const role of [names.app, names.owner]) await server.unsafe(`drop role if exists "${role}"`);
  await server.end();
  await rm(folder, { recursive: true, force: true });
});

/** Catalog, router and pools as a service wires them; the catalog's changes are heard from the start. */
async function serve(changes: Partial<CatalogRouterOptions> = {}) {
  const cap = new ClusterCap();
  const openPool: OpenPool = ({ cluster, database: name, credentials }) => {
    pools++;
    return new PostgresLanePool({
      cap,
      clusterId: cluster.id,
      clusterMaxLanes: cluster.maxLanes,
      database: name,
      open: async (signal) =>
        await openPostgresLane({
          host: cluster.host,
          port: cluster.port,
          tls: cluster.tls,
          pooled: cluster.pooled,
          database: name,
          credentials,
          signal,
        }),
    });
  };
  const catalog = new CachedCatalog({ reader, listenUrl: database.serviceUrl });
  const router = new CatalogRouter({
    catalog,
    managers,
    auditor,
    openPool,
    runtimeRegion: region,
    masters: () => reader.contextMasters(),
    credentials: sealedCredentials({ reader, managers }),
    checkLogin: checkServiceLogin,
    ...changes,
  });
  await until(() => catalog.listening);
  return {
    catalog,
    router,
    cap,
    async [Symbol.asyncDispose]() {
      await router.close();
      await catalog.close();
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('it did not come to that in 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const statement = (text: string) => ({ text, params: [], rows: 'object', prepare: false }) as const;

async function tenantSeen(route: Route, context = route.context): Promise<unknown> {
  return (
    await route.pool.run({
      context,
      statement: statement("select tenancy.current_tenant_id() as tenant, current_user as login, current_setting('search_path') as path"),
    })
  ).rows[0];
}

describe('CatalogRouter on a real cluster', () => {
  test('takes each tenant to its database as the service login, with a context that PostgreSQL accepts', async () => {
    await using served = await serve();
    const [acme, globex] = await Promise.all([served.router.route('acme'), served.router.route('globex')]);
    expect(await tenantSeen(acme)).toMatchObject({ tenant: 'acme', login: names.app });
    expect(await tenantSeen(globex, globex.rawContext)).toEqual({
      tenant: 'globex',
      login: names.app,
      path: '"globex", "reference", "extensions", pg_temp',
    });
    expect(acme.pool).toBe(globex.pool);
    expect(served.router.cached('acme')).toBe(acme);
  });

  test('a context under a grant is accepted, and a context of another catalog’s master is not', async () => {
    await using served = await serve();
    const route = await served.router.route('acme');
    const grant = { auditId: '0b6c4d0e-0000-4000-8000-000000000001', actor: 'ops', reason: 'recount', work: new GrantedWork() };
    expect(await enterScope(new Scope(route.tenant, { grant }), () => tenantSeen(route))).toMatchObject({ tenant: 'acme' });
    const { wrapped } = await managers.primary.generateDataKey((await new KeyStore(database.owner).activeKek(undefined))!.keyRef, {
      tenantId: 'platform',
      purpose: 'context-master',
    });
    await using forged = await serve({ masters: async () => [{ keyId: 'k1', wrapped, createdAt: new Date(), retiredAt: undefined }] });
    await expect(tenantSeen(await forged.router.route('acme'))).rejects.toThrow(PolicyViolationError);
  });

  test('a region that is not allowed is refused before anything connects, and the refusal is in the audit log', async () => {
    await using served = await serve();
    const opened = pools;
    const error = await served.router.route('initech').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ResidencyError);
    expect(pools).toBe(opened);
    const [entry] = await new AuditReader(database.owner).entries({ tenantId: 'initech' });
    expect(entry).toMatchObject({ id: (error as ResidencyError).auditId, action: 'residency', outcome: 'refused', errorCode: 'RESIDENCY' });
    expect(entry!.detail).toMatchObject({ cluster: 'here', clusterRegion: region, runtimeRegion: region, allowedRegions: 'eu-west-1' });
  });

  test('a suspended tenant is turned away as soon as the catalog has said so', async () => {
    await using served = await serve();
    const tenants = new TenantStore(database.owner, defaultTiers);
    await served.router.route('globex');
    await tenants.setStatus('globex', 'suspended');
    await until(() => served.router.cached('globex') === undefined);
    await expect(served.router.route('globex')).rejects.toThrow(TenantInactiveError);
    await tenants.setStatus('globex', 'active');
    await until(() => served.catalog.cached('globex')?.tenant.status !== 'suspended');
    expect(await tenantSeen(await served.router.route('globex'))).toMatchObject({ tenant: 'globex' });
    await expect(served.router.route('idle')).rejects.toThrow(TenantInactiveError);
  });

  test('a login that could step over row-level security never gets a lane', async () => {
    const superuser = new URL(adminUrl());
    await using served = await serve({ credentials: async () => ({ user: superuser.username, password: superuser.password }) });
    const opened = pools;
    await expect(served.router.route('acme')).rejects.toThrow(LoginRefusedError);
    expect(pools).toBe(opened);
    const [entry] = await new AuditReader(database.owner).entries({ action: 'login' });
    expect(entry).toMatchObject({ outcome: 'refused', errorCode: 'LOGIN_REFUSED', detail: { login: superuser.username } });
  });

  test('a new password in the catalog reaches services that run', async () => {
    await using served = await serve();
    const before = await served.router.route('acme');
    await tenantSeen(before);
    const address = { clusterId: 'here', database: names.sharedDatabase };
    await vault.remove(address);
    await vault.ensure('service', address, names.app, async ({ password }) => {
      const server = adminClient();
      await server.unsafe(`alter role "${names.app}" password '${password}'`);
      await server.end();
    });
    await until(() => served.router.cached('acme') === undefined);
    const after = await served.router.route('acme');
    expect(after.pool).not.toBe(before.pool);
    expect(await tenantSeen(after)).toMatchObject({ tenant: 'acme' });
  });

  test('an idle pool gives its connections back and opens them again when it is needed', async () => {
    let now = 0;
    await using served = await serve({ idleMs: 2_000, now: () => now });
    const route = await served.router.route('acme');
    await tenantSeen(route);
    expect(served.cap.used('here')).toBe(1);
    now = 10_000;
    await until(() => served.cap.used('here') === 0);
    expect(await tenantSeen(route)).toMatchObject({ tenant: 'acme' });
  });
});
