import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { CatalogReader } from '../../../src/catalog/catalog-reader.ts';
import type { Cluster } from '../../../src/catalog/cluster.ts';
import { ClusterStore } from '../../../src/catalog/cluster-store.ts';
import { CredentialStore } from '../../../src/catalog/credential-store.ts';
import { KeyStore } from '../../../src/catalog/key-store.ts';
import { LedgerStore } from '../../../src/catalog/ledger-store.ts';
import { PlacementStore } from '../../../src/catalog/placement-store.ts';
import { TenantStore } from '../../../src/catalog/tenant-store.ts';
import { CatalogError, ClosedError, ConfigurationError, TenantInactiveError, UnknownTenantError } from '../../../src/errors.ts';
import { parseTenantConfig } from '../../../src/tenant/tenant-config.ts';
import { defaultTiers } from '../../../src/tenant/tier.ts';
import { adminUrl, createDatabase, uniquePrefix, urlOf } from '../../support/server.ts';
import { type CatalogDatabase, createCatalogDatabase } from './catalog-database.ts';

const cluster: Cluster = Object.freeze({
  id: 'us-1',
  region: 'us-east-1',
  host: '127.0.0.1',
  port: 5432,
  rolePrefix: 'tenancy',
  dedicated: false,
  pooled: false,
  maxLanes: 20,
  tls: 'disable',
});

const config = (id: string, changes: Record<string, unknown> = {}) =>
  parseTenantConfig({
    id,
    name: 'Acme Retail',
    tier: 'enterprise',
    region: 'us-east-1',
    features: { ai_agents: true },
    compliance: { data_residency: ['us-east-1', 'us-west-2'] },
    ...changes,
  });

const wrapped = (text: string) => ({ provider: 'local', keyRef: 'kek-1', keyVersion: '3', ciphertext: Buffer.from(text) });

let database: CatalogDatabase;
let tenants: TenantStore;
let placements: PlacementStore;
let clusters: ClusterStore;
let keys: KeyStore;
let service: CatalogClient;
let reader: CatalogReader;

/** Everything a tenant needs to be found, as provisioning records it. */
async function place(id: string, changes: Record<string, unknown> = {}): Promise<void> {
  await tenants.insert(config(id, changes));
  const schema = id.replaceAll('-', '_');
  await placements.insert({
    tenantId: id,
    clusterId: 'us-1',
    database: `tenancy_${schema}`,
    schema,
    isolation: 'database',
    schemaVersion: '',
  });
}

beforeAll(async () => {
  database = await createCatalogDatabase();
  tenants = new TenantStore(database.owner, defaultTiers);
  placements = new PlacementStore(database.owner);
  clusters = new ClusterStore(database.owner);
  keys = new KeyStore(database.owner);
  service = await CatalogClient.open({ url: database.serviceUrl });
  reader = new CatalogReader({ session: service, tiers: defaultTiers });
  await clusters.upsert(cluster);
});

afterAll(async () => {
  await service?.close();
  await database?.[Symbol.asyncDispose]();
});

describe('tenants', () => {
  test('a tenant that is recorded, placed and activated is read back in one statement, frozen', async () => {
    await place('tenant-100');
    await tenants.setStatus('tenant-100', 'active');
    let statements = 0;
    const counting = new CatalogReader({
      session: {
        query: (attempt, run) => {
          statements++;
          return service.query(attempt, run);
        },
      },
      tiers: defaultTiers,
    });
    const record = await counting.tenantRecord('tenant-100');
    expect(statements).toBe(1);
    expect(record).toEqual({
      tenant: {
        id: 'tenant-100',
        name: 'Acme Retail',
        tier: defaultTiers['enterprise'],
        region: 'us-east-1',
        dataResidency: ['us-east-1', 'us-west-2'],
        status: 'active',
        config: config('tenant-100'),
      },
      placement: {
        tenantId: 'tenant-100',
        clusterId: 'us-1',
        database: 'tenancy_tenant_100',
        schema: 'tenant_100',
        isolation: 'database',
        epoch: 1,
        schemaVersion: '',
      },
      cluster,
      keyLocations: [],
    });
    expect(
      [record, record!.tenant, record!.tenant.config.features, record!.tenant.dataResidency, record!.placement, record!.cluster].every(
        Object.isFrozen,
      ),
    ).toBe(true);
  });

  test('an unknown tenant is undefined; one without a placement is inactive', async () => {
    expect(await reader.tenantRecord('ghost')).toBeUndefined();
    await tenants.insert(config('half'));
    await expect(reader.tenantRecord('half')).rejects.toThrow(TenantInactiveError);
  });

  test('an id is never used again', async () => {
    await tenants.insert(config('once'));
    await expect(tenants.insert(config('once'))).rejects.toThrow(CatalogError);
    await tenants.setStatus('once', 'offboarded');
    await expect(tenants.insert(config('once'))).rejects.toThrow('is or was in use');
  });

  test('a status leads only where it may', async () => {
    await tenants.insert(config('life'));
    await expect(tenants.setStatus('life', 'suspended')).rejects.toThrow("is provisioning: it can't become suspended");
    expect(await tenants.setStatus('life', 'active')).toBe(true);
    expect(await tenants.setStatus('life', 'active')).toBe(false);
    expect(await tenants.setStatus('life', 'suspended')).toBe(true);
    expect(await tenants.setStatus('life', 'active')).toBe(true);
    await expect(tenants.setStatus('life', 'provisioning')).rejects.toThrow(CatalogError);
    expect(await tenants.setStatus('life', 'offboarded')).toBe(true);
    for (const status of ['provisioning', 'active', 'suspended'] as const)
      await expect(tenants.setStatus('life', status)).rejects.toThrow(CatalogError);
    await expect(tenants.setStatus('ghost', 'active')).rejects.toThrow(UnknownTenantError);
  });

  test('a configuration is replaced, but not the tier or region', async () => {
    await tenants.insert(config('edited'));
    await tenants.updateConfig(config('edited', { name: 'Acme GmbH', features: {}, compliance: { data_residency: ['us-east-1'] } }));
    const { tenant } = await tenants.require('edited');
    expect([tenant.name, tenant.config.features, tenant.dataResidency]).toEqual(['Acme GmbH', {}, ['us-east-1']]);
    await expect(tenants.updateConfig(config('edited', { tier: 'premium' }))).rejects.toThrow('was not changed to premium');
    await expect(tenants.updateConfig(config('edited', { region: 'us-west-2' }))).rejects.toThrow(CatalogError);
    await expect(tenants.updateConfig(config('ghost'))).rejects.toThrow(UnknownTenantError);
  });

  test('are listed by tier, region and status', async () => {
    await tenants.insert(config('listed', { tier: 'premium', region: 'eu-west-1', compliance: {} }));
    const ids = async (filter: Parameters<TenantStore['list']>[0]) => (await tenants.list(filter)).map(({ tenant }) => tenant.id);
    expect(await ids({ region: 'eu-west-1' })).toEqual(['listed']);
    expect(await ids({ tier: 'premium', status: 'provisioning' })).toEqual(['listed']);
    expect(await ids({ tier: 'premium', status: 'active' })).toEqual([]);
    expect(await ids({ status: 'active' })).toEqual(await reader.activeTenants());
  });

  test('a tier that this process does not know is refused, as is a row that contradicts itself', async () => {
    await place('odd');
    const strict = new CatalogReader({ session: service, tiers: { standard: defaultTiers['standard']! } });
    await expect(strict.tenantRecord('odd')).rejects.toThrow(ConfigurationError);
    await database.admin`update tenancy.tenants set data_residency = '{us-east-1,eu-west-1}' where id = 'odd'`;
    await expect(reader.tenantRecord('odd')).rejects.toThrow("contradicts itself or can't be read: data_residency");
  });
});

describe('placements', () => {
  test('an epoch grows by one at each move, and a move from an old epoch does nothing', async () => {
    await place('mover');
    const target = { clusterId: 'us-1', database: 'tenancy_shared', schema: 'mover', isolation: 'schema' } as const;
    expect((await placements.move('mover', 1, target)).epoch).toBe(2);
    await expect(placements.move('mover', 1, target)).rejects.toThrow('not at epoch 1 any more');
    expect(await placements.find('mover')).toMatchObject({ epoch: 2, database: 'tenancy_shared', isolation: 'schema' });
  });

  test('a tenant has one placement, and its schema version is kept', async () => {
    await place('placed');
    await expect(
      placements.insert({ tenantId: 'placed', clusterId: 'us-1', database: 'd', schema: 's', isolation: 'schema', schemaVersion: '' }),
    ).rejects.toThrow(CatalogError);
    await placements.setSchemaVersion('placed', '0002_orders');
    expect((await placements.find('placed'))?.schemaVersion).toBe('0002_orders');
    await placements.setSchemaVersionOf({ clusterId: 'us-1', database: 'tenancy_placed', schema: 'placed' }, '0003');
    expect((await placements.find('placed'))?.schemaVersion).toBe('0003');
    expect((await placements.find('tenant-100'))?.schemaVersion).toBe('');
  });
});

describe('clusters', () => {
  test('the emptiest of a region and kind comes first; an unchanged one is not written', async () => {
    expect(await clusters.upsert(cluster)).toBe(false);
    expect(await clusters.upsert({ ...cluster, id: 'us-2' })).toBe(true);
    expect(await clusters.upsert({ ...cluster, id: 'us-3', dedicated: true })).toBe(true);
    const found = await clusters.candidates('us-east-1', false);
    expect(found.map(({ cluster: { id } }) => id)).toEqual(['us-2', 'us-1']);
    expect(found[0]!.placements).toBe(0);
    expect(found[1]!.placements).toBeGreaterThan(0);
    expect((await clusters.candidates('us-east-1', true)).map(({ cluster: { id } }) => id)).toEqual(['us-3']);
    expect((await clusters.list()).map(({ id }) => id)).toEqual(['us-1', 'us-2', 'us-3']);
    expect(await clusters.find('nowhere')).toBeUndefined();
  });
});

describe('keys', () => {
  test('wrapped keys come back byte for byte, with the newest version current and their KEK’s region in the record', async () => {
    await place('keyed');
    const kek = await keys.insertKek({ provider: 'local', keyRef: 'kek-1', region: 'us-west-2', protection: 'hsm', tenantId: 'keyed' });
    expect(await keys.activeKek('keyed')).toEqual(kek);
    expect(await keys.activeKek(undefined)).toBeUndefined();
    await expect(reader.wrappedKeys('keyed')).rejects.toThrow(UnknownTenantError);
    await keys.insertDataKey({ tenantId: 'keyed', purpose: 'data', version: 1, kekId: kek.id, wrapped: wrapped('one') });
    await expect(reader.wrappedKeys('keyed')).rejects.toThrow('no active blind-index secret');
    await keys.insertDataKey({ tenantId: 'keyed', purpose: 'blind-index', version: 1, kekId: kek.id, wrapped: wrapped('index') });
    await keys.insertDataKey({
      tenantId: 'keyed',
      purpose: 'data',
      version: 2,
      kekId: kek.id,
      wrapped: { ...wrapped('two'), keyVersion: undefined },
    });
    await expect(
      keys.insertDataKey({ tenantId: 'keyed', purpose: 'data', version: 2, kekId: kek.id, wrapped: wrapped('other') }),
    ).rejects.toThrow(CatalogError);
    expect(await reader.wrappedKeys('keyed')).toEqual({
      tenantId: 'keyed',
      dataKeys: [
        { version: 1, wrapped: wrapped('one') },
        { version: 2, wrapped: { ...wrapped('two'), keyVersion: undefined } },
      ],
      currentVersion: 2,
      indexSecret: wrapped('index'),
    });
    expect(await keys.recordedPurposes('keyed')).toEqual(new Set(['data', 'blind-index']));
    expect((await reader.tenantRecord('keyed'))!.keyLocations).toEqual([{ provider: 'local', region: 'us-west-2' }]);
  });

  test('context masters come newest first, and the first one given under an id stays', async () => {
    expect(await keys.insertContextMaster('k1', wrapped('m1'))).toBe(true);
    expect(await keys.insertContextMaster('k1', wrapped('m2'))).toBe(false);
    expect(await keys.insertContextMaster('k2', wrapped('m3'))).toBe(true);
    const masters = await reader.contextMasters();
    expect(masters.map(({ keyId, retiredAt }) => [keyId, retiredAt])).toEqual([
      ['k2', undefined],
      ['k1', undefined],
    ]);
    expect(masters[1]!.wrapped).toEqual(wrapped('m1'));
  });
});

describe('logins', () => {
  test('are kept sealed, one of each kind per database', async () => {
    const store = new CredentialStore(database.owner);
    const address = { clusterId: 'us-1', database: 'tenancy_shared' };
    expect(await reader.serviceCredential(address)).toBeUndefined();
    await store.put('service', { ...address, login: 'tenancy_app', sealed: Buffer.from([0, 255, 1]) });
    await store.put('owner', { ...address, login: 'tenancy_owner', sealed: Buffer.from([2]) });
    await store.put('service', { ...address, login: 'tenancy_app2', sealed: Buffer.from([3]) });
    expect(await reader.serviceCredential(address)).toMatchObject({ ...address, login: 'tenancy_app2', sealed: Buffer.from([3]) });
    expect((await store.find('owner', address))?.login).toBe('tenancy_owner');
    await store.remove('service', address);
    expect(await store.find('service', address)).toBeUndefined();
  });
});

describe('the ledger', () => {
  test('is read for one target or all at once, and refuses an edited migration', async () => {
    const ledger = new LedgerStore(database.owner);
    const target = { clusterId: 'us-1', database: 'tenancy_shared', schema: 'a' };
    await ledger.record(target, [
      { migration: '0002', checksum: 'y' },
      { migration: '0001', checksum: 'x' },
    ]);
    await ledger.record({ ...target, schema: 'b' }, [{ migration: '0001', checksum: 'x' }]);
    await ledger.record(target, [
      { migration: '0001', checksum: 'x' },
      { migration: '0003', checksum: 'z' },
    ]);
    expect((await ledger.applied(target)).map(({ migration }) => migration)).toEqual(['0001', '0002', '0003']);
    await expect(ledger.record(target, [{ migration: '0002', checksum: 'edited' }])).rejects.toThrow('0002');
    expect((await ledger.applied(target))[1]!.checksum).toBe('y');
    expect((await ledger.all()).map(({ schema, migrations }) => [schema, migrations.length])).toEqual([
      ['a', 3],
      ['b', 1],
    ]);
    await ledger.remove(target);
    expect(await ledger.applied(target)).toEqual([]);
  });
});

describe('CatalogClient', () => {
  test.each([
    ['a server that is not there', () => 'postgres://u:topsecret@127.0.0.1:1/x', /could not be reached/, true],
    ['a database that is not there', () => adminUrl(`${uniquePrefix()}_none`), /3D000.*tenancy init/, false],
    ['a wrong password', () => urlOf(database.login, 'topsecret', database.name), /28P01/, false],
  ])('%s is a CatalogError that says so, without the password', async (_what, url, message, retryable) => {
    const error = await CatalogClient.open({ url: url() }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CatalogError);
    expect((error as CatalogError).message).toMatch(message);
    expect((error as CatalogError).retryable).toBe(retryable);
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('topsecret');
  });

  test('a database without a catalog is named as such, and what is no URL never connects', async () => {
    await using empty = await createDatabase(`${uniquePrefix()}_empty`);
    await expect(CatalogClient.open({ url: empty.url })).rejects.toThrow(/not installed.*run `tenancy init`/);
    await expect(CatalogClient.open({ url: 'localhost' })).rejects.toThrow(ConfigurationError);
    await expect(CatalogClient.open({ url: 'http://localhost/x' })).rejects.toThrow(ConfigurationError);
  });

  test('a catalog that lacks what this release needs is older', async () => {
    await using old = await createDatabase(`${uniquePrefix()}_old`);
    const sql = postgres(old.url, { max: 1, onnotice: () => {} });
    await sql.unsafe(
      "create schema tenancy; create table tenancy.schema_migrations (name text); insert into tenancy.schema_migrations values ('0001_schema')",
    );
    await sql.end();
    await expect(CatalogClient.open({ url: old.url })).rejects.toThrow(/older than this release.*0005_audit.*tenancy init/);
  });

  test('a failed query leaves its parameters behind', async () => {
    const error = await database.owner
      .query({ doing: 'failing' }, (sql) => sql`select ${'topsecret'}::int`)
      .catch((caught: unknown) => caught);
    expect((error as CatalogError).message).toBe('The catalog failed while failing (22P02).');
    expect((error as CatalogError).cause).toBeUndefined();
  });

  test('a transaction is kept whole or not at all', async () => {
    await database.owner.transaction({ doing: 'recording' }, async (session) => {
      await new TenantStore(session, defaultTiers).insert(config('whole'));
    });
    expect(await tenants.find('whole')).toBeDefined();
    await expect(
      database.owner.transaction({ doing: 'recording' }, async (session) => {
        const inside = new TenantStore(session, defaultTiers);
        await inside.insert(config('undone'));
        await inside.insert(config('undone'));
      }),
    ).rejects.toThrow('is or was in use');
    expect(await tenants.find('undone')).toBeUndefined();
  });

  test('a transaction whose connection dies writes nothing more, where the driver alone goes on outside it', async () => {
    const kill = async (sql: Sql): Promise<void> => {
      const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await database.admin`select pg_terminate_backend(${row!.pid})`;
      await new Promise((resolve) => setTimeout(resolve, 200));
    };
    // Both callbacks go on after the transaction has rejected, and are waited for.
    const gone: Promise<unknown>[] = [];
    const noted = <T>(work: Promise<T>): Promise<T> => {
      gone.push(work.catch(() => {}));
      return work;
    };
    const alone = postgres(adminUrl(database.name), { max: 1, onnotice: () => {} });
    await alone
      .begin((sql) =>
        noted(
          (async () => {
            await kill(sql as unknown as Sql);
            // Anybody else's query makes the pool connect anew; the dead transaction's next statement then runs there.
            await alone`select 1`;
            await sql`update tenancy.clusters set max_lanes = 7 where id = 'us-3'`;
            throw new Error('so roll it back');
          })(),
        ),
      )
      .catch(() => {});
    await Promise.all(gone);
    await alone.end({ timeout: 1 });
    expect((await clusters.find('us-3'))?.maxLanes).toBe(7);

    const failure = database.owner.transaction({ doing: 'recording' }, (session) =>
      noted(
        (async () => {
          const inside = new TenantStore(session, defaultTiers);
          await inside.insert(config('before-kill'));
          await session.query({ doing: 'ending it' }, kill);
          await inside.insert(config('after-kill'));
        })(),
      ),
    );
    await expect(failure).rejects.toThrow(/could not be reached/);
    await Promise.all(gone);
    expect(await tenants.find('before-kill')).toBeUndefined();
    expect(await tenants.find('after-kill')).toBeUndefined();
  });

  test('after close nothing is asked', async () => {
    const client = await CatalogClient.open({ url: database.serviceUrl });
    await client.close();
    await client.close();
    await expect(client.query({ doing: 'asking' }, (sql) => sql`select 1`)).rejects.toThrow(ClosedError);
  });
});
