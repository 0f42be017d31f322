import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CachedCatalog } from '../../../src/catalog/cached-catalog.ts';
import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { CatalogReader } from '../../../src/catalog/catalog-reader.ts';
import { ClusterStore } from '../../../src/catalog/cluster-store.ts';
import { PlacementStore } from '../../../src/catalog/placement-store.ts';
import { TenantStore } from '../../../src/catalog/tenant-store.ts';
import { parseTenantConfig } from '../../../src/tenant/tenant-config.ts';
import { defaultTiers } from '../../../src/tenant/tier.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { type CatalogDatabase, createCatalogDatabase } from './catalog-database.ts';

const cluster = {
  id: 'us-1',
  region: 'us-east-1',
  host: '127.0.0.1',
  port: 5432,
  rolePrefix: 'tenancy',
  dedicated: false,
  pooled: false,
  maxLanes: 20,
  tls: 'disable',
} as const;

let database: CatalogDatabase;
let service: CatalogClient;
let reader: CatalogReader;
let tenants: TenantStore;
let placements: PlacementStore;
let proxy: TcpProxy;
/** The catalog's URL through a proxy that the tests cut. */
let proxied: string;

beforeAll(async () => {
  database = await createCatalogDatabase();
  service = await CatalogClient.open({ url: database.serviceUrl });
  reader = new CatalogReader({ session: service, tiers: defaultTiers });
  tenants = new TenantStore(database.owner, defaultTiers);
  placements = new PlacementStore(database.owner);
  await new ClusterStore(database.owner).upsert(cluster);
  for (const id of ['acme', 'globex']) {
    await tenants.insert(parseTenantConfig({ id, name: id, tier: 'standard', region: 'us-east-1' }));
    await placements.insert({
      tenantId: id,
      clusterId: 'us-1',
      database: 'tenancy_shared',
      schema: id,
      isolation: 'schema',
      schemaVersion: '',
    });
    await tenants.setStatus(id, 'active');
  }
  const url = new URL(database.serviceUrl);
  proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  url.hostname = '127.0.0.1';
  proxied = url.href;
});

afterAll(async () => {
  await service?.close();
  await proxy?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('it did not come to that in 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function opened(listenUrl: string): Promise<CachedCatalog> {
  const catalog = new CachedCatalog({ reader, listenUrl, ttlMs: 60_000 });
  await until(() => catalog.listening);
  return catalog;
}

describe('CachedCatalog on a real catalog', () => {
  test('one tenant’s change drops one tenant; without the listener it would be served on', async () => {
    await using catalog = await opened(database.serviceUrl);
    await using deaf = new CachedCatalog({ reader, ttlMs: 60_000, now: () => 0 });
    const told: (string | undefined)[] = [];
    catalog.onInvalidate((id) => told.push(id));
    for (const id of ['acme', 'globex']) {
      await catalog.record(id);
      await deaf.record(id);
    }

    await placements.setSchemaVersion('acme', '0001');
    await until(() => catalog.cached('acme') === undefined);
    expect(told).toEqual(['acme']);
    expect(catalog.cached('globex')).toBeDefined();
    expect((await catalog.record('acme')).placement.schemaVersion).toBe('0001');
    expect(deaf.cached('acme')?.placement.schemaVersion).toBe('');
  });

  test('a suspension is seen at once', async () => {
    await using catalog = await opened(database.serviceUrl);
    await catalog.record('globex');
    await tenants.setStatus('globex', 'suspended');
    await until(() => catalog.cached('globex') === undefined);
    expect((await catalog.record('globex')).tenant.status).toBe('suspended');
    await tenants.setStatus('globex', 'active');
  });

  test('a cluster’s change drops everything', async () => {
    await using catalog = await opened(database.serviceUrl);
    const told: (string | undefined)[] = [];
    catalog.onInvalidate((id) => told.push(id));
    for (const id of ['acme', 'globex']) await catalog.record(id);
    await new ClusterStore(database.owner).upsert({ ...cluster, maxLanes: 21 });
    await until(() => told.includes(undefined));
    expect([catalog.cached('acme'), catalog.cached('globex')]).toEqual([undefined, undefined]);
    expect((await catalog.record('acme')).cluster.maxLanes).toBe(21);
  });

  test('what is rolled back is not announced', async () => {
    await using catalog = await opened(database.serviceUrl);
    await catalog.record('acme');
    await database.owner
      .transaction({ doing: 'failing' }, async (session) => {
        await new PlacementStore(session).setSchemaVersion('acme', 'never');
        throw new Error('on purpose');
      })
      .catch(() => {});
    await placements.setSchemaVersion('globex', 'marker');
    await catalog.record('globex').then(async () => {
      await until(() => catalog.cached('globex') !== undefined);
    });
    expect(catalog.cached('acme')).toBeDefined();
  });

  test('a lost listener shortens trust to a second, comes back by itself and then forgets what it may have missed', async () => {
    let now = 0;
    await using catalog = new CachedCatalog({ reader, listenUrl: proxied, ttlMs: 60_000, now: () => now });
    await until(() => catalog.listening);
    await catalog.record('acme');
    now = 30_000;
    expect(catalog.cached('acme')).toBeDefined();

    const connections = proxy.accepted;
    proxy.cut();
    await until(() => !catalog.listening);
    expect(catalog.cached('acme')).toBeUndefined();
    await placements.setSchemaVersion('acme', 'unheard');
    await until(() => catalog.listening);
    expect(proxy.accepted).toBeGreaterThan(connections);
    expect(catalog.cached('acme')).toBeUndefined();
    expect((await catalog.record('acme')).placement.schemaVersion).toBe('unheard');

    await placements.setSchemaVersion('acme', 'heard');
    await until(() => catalog.cached('acme') === undefined);
  });

  test('what was read while nobody listened is not trusted longer once somebody does', async () => {
    await using catalog = await opened(proxied);
    proxy.cut();
    await until(() => !catalog.listening);
    await catalog.record('acme');
    await placements.setSchemaVersion('acme', `missed-${Date.now()}`);
    await until(() => catalog.listening);
    expect(catalog.cached('acme')).toBeUndefined();
  });

  test('a listener that can’t connect tries again until it can', async () => {
    const catalog = new CachedCatalog({ reader, listenUrl: 'postgres://nobody:nothing@127.0.0.1:1/none' });
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(catalog.listening).toBe(false);
    expect((await catalog.record('acme')).tenant.id).toBe('acme');
    await catalog.close();
  });

  test('a backend that an administrator ends is noticed too', async () => {
    await using catalog = await opened(database.serviceUrl);
    await catalog.record('acme');
    await database.admin`
      select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tenancy-catalog-listener' and datname = ${database.name}`;
    await until(() => !catalog.listening);
    await until(() => catalog.listening);
    expect(catalog.cached('acme')).toBeUndefined();
  });

  test('close ends the listening connection', async () => {
    const catalog = await opened(database.serviceUrl);
    await catalog.close();
    const listening = async () =>
      (
        await database.admin`
      select 1 from pg_stat_activity where application_name = 'tenancy-catalog-listener' and datname = ${database.name}`
      ).length;
    for (let tries = 0; tries < 200 && (await listening()) > 0; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await listening()).toBe(0);
  });
});
