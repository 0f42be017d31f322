import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { Auditor } from '../../../src/audit/auditor.ts';
import { ClusterCap } from '../../../src/connection/cluster-cap.ts';
import type { LanePool } from '../../../src/connection/lane-pool.ts';
import { openPostgresLane } from '../../../src/connection/postgres-lane.ts';
import { PostgresLanePool } from '../../../src/connection/postgres-lane-pool.ts';
import { createScopedDatabase, type ScopedDatabase } from '../../../src/database/scoped-database.ts';
import type { ShapeCacheOptions } from '../../../src/database/shape-cache.ts';
import { DirectPool, DirectRouter, MemorySink, TestKeyRing } from '../../support/direct-route.ts';
import { adminUrl, createDatabase, uniquePrefix } from '../../support/server.ts';
import { schema, seedSql, tableDdl } from './sample-schema.ts';

export type StockDatabase = ReturnType<typeof stock>;

function stock(client: postgres.Sql) {
  return drizzle(client, { schema });
}

const tenants = ['alpha', 'beta', 'gamma'] as const;

/**
 * Three tenants in one schema `pool` without policies, each with a copy of its rows in a schema of its own, which stock drizzle reads: what
 * stock drizzle answers there is what scoped queries must answer in `pool`.
 */
export interface SampleWorld extends AsyncDisposable {
  readonly tenants: typeof tenants;
  /** Every statement that it finds in its shape cache is built and compared all the same. */
  readonly scoped: ScopedDatabase<typeof schema>;
  /** The same over the lanes that services use. */
  readonly laned: ScopedDatabase<typeof schema>;
  readonly pool: DirectPool;
  readonly keys: TestKeyRing;
  readonly sink: MemorySink;
  readonly admin: postgres.Sql;
  /** Stock drizzle with another search_path: a tenant's copy, or `pool` itself, where it sees everybody's rows. */
  stockOn(schemaName: string): Promise<StockDatabase>;
}

export async function sampleWorld(): Promise<SampleWorld> {
  const database = await createDatabase(`${uniquePrefix()}_db`);
  const client = () => postgres(adminUrl(database.name), { max: 1, onnotice: () => {}, fetch_types: false });
  const admin = client();
  await admin.unsafe(`create schema reference; create table reference.currencies (code text primary key, label text not null);
    insert into reference.currencies values ('EUR', 'Euro'), ('USD', 'Dollar');
    ${tableDdl('pool')} ${tenants.map((tenant, index) => `${seedSql('pool', tenant, index)} ${tableDdl(tenant, tenant)} ${seedSql(tenant, tenant, index)}`).join('\n')}`);
  drizzle(admin); // drizzle sets the parsers that it maps from, as lanes do
  const clients = [admin];
  const connect = () => {
    const made = client();
    clients.push(made);
    return made;
  };
  const lane = connect();
  drizzle(lane);
  const pool = new DirectPool(lane);
  const keys = new TestKeyRing();
  const sink = new MemorySink();
  const over = (lanes: LanePool, shapeCache: ShapeCacheOptions = {}) =>
    createScopedDatabase({
      schema,
      shapeCache,
      router: new DirectRouter(lanes, { alpha: 'pool', beta: 'pool', gamma: 'pool' }),
      keys,
      auditor: new Auditor([sink]),
    });
  const url = new URL(adminUrl(database.name));
  const lanes = new PostgresLanePool({
    clusterId: 'c',
    database: database.name,
    cap: new ClusterCap(),
    clusterMaxLanes: 4,
    maxLanes: 4,
    open: async (signal) =>
      await openPostgresLane({
        host: url.hostname,
        port: Number(url.port || 5432),
        tls: 'disable',
        pooled: false,
        database: database.name,
        applicationName: 'tests',
        signal,
        credentials: { user: url.username, password: decodeURIComponent(url.password) },
      }),
  });
  return {
    tenants,
    scoped: over(pool, { verify: true }),
    laned: over(lanes),
    pool,
    keys,
    sink,
    admin,
    async stockOn(schemaName) {
      const made = connect();
      await made.unsafe(`set search_path to ${schemaName}, reference`);
      return stock(made);
    },
    async [Symbol.asyncDispose]() {
      await lanes.close();
      await Promise.all(clients.map((one) => one.end()));
      await database[Symbol.asyncDispose]();
    },
  };
}
