import { Auditor } from '../../src/audit/auditor.ts';
import { PostgresAuditSink } from '../../src/audit-store/postgres-audit-sink.ts';
import { CachedCatalog } from '../../src/catalog/cached-catalog.ts';
import { CatalogClient } from '../../src/catalog/catalog-client.ts';
import { CatalogReader } from '../../src/catalog/catalog-reader.ts';
import { QueryExecutor } from '../../src/database/query-executor.ts';
import { Refusals } from '../../src/database/refusals.ts';
import { SessionPool } from '../../src/database/session-pool.ts';
import { TenantDatabase } from '../../src/database/tenant-database.ts';
import { TenantDialect } from '../../src/database/tenant-dialect.ts';
import { CachedKeyRing } from '../../src/keys/cached-key-ring.ts';
import { KeyManagers } from '../../src/kms/key-managers.ts';
import { CatalogRouter } from '../../src/routing/catalog-router.ts';
import { openPostgresPool } from '../../src/routing/open-postgres-pool.ts';
import type { Route, Router } from '../../src/routing/route.ts';
import { ScopeRunner } from '../../src/routing/scope-runner.ts';
import { sealedCredentials } from '../../src/routing/sealed-credentials.ts';
import { checkServiceLogin } from '../../src/verify/login-check.ts';
import type { Subject } from './oracle.ts';
import * as scopedSchema from './scoped-schema.ts';
import { type OracleWorld, tiers } from './world.ts';

export interface Weakness {
  readonly dialect?: TenantDialect;
  /** What a query's route becomes; `routeOf` finds another tenant's. */
  readonly reroute?: (own: Route, routeOf: (tenantId: string) => Promise<Route>) => Promise<Route>;
}

/** A service of the platform as `createTenancy` wires it, but for one part. */
export async function weakened(
  { platform }: OracleWorld,
  { dialect = new TenantDialect(), reroute }: Weakness,
): Promise<Subject & AsyncDisposable> {
  const url = platform.serviceCatalogUrl;
  const managers = new KeyManagers(platform.keyManagers());
  const client = await CatalogClient.open({ url, applicationName: 'weakened-catalog' });
  const reader = new CatalogReader({ session: client, tiers });
  const auditor = new Auditor([new PostgresAuditSink({ session: client })]);
  const catalog = new CachedCatalog({ reader, listenUrl: url });
  const keys = new CachedKeyRing({ managers, source: { load: async (tenantId) => (await reader.wrappedKeys(tenantId))! } });
  const router = new CatalogRouter({
    catalog,
    managers,
    auditor,
    masters: async () => await reader.contextMasters(),
    credentials: sealedCredentials({ reader, managers }),
    openPool: openPostgresPool({ applicationName: 'weakened' }),
    checkLogin: checkServiceLogin,
    runtimeRegion: 'us-east-1',
  });
  const scopes = new ScopeRunner({ router, auditor, activeTenants: async () => await reader.activeTenants() });
  const rerouted: Router = reroute
    ? {
        cached: () => undefined,
        route: async (tenantId) => await reroute(await router.route(tenantId), async (other) => await router.route(other)),
        close: async () => {},
      }
    : router;
  const executor = new QueryExecutor({ router: rerouted, keys, refusals: new Refusals(auditor) });
  const schema = { fullSchema: scopedSchema, ...(platform.tenancy.db._ as unknown as { schema: never; tableNamesMap: never }) };
  const sessions = new SessionPool({ dialect, executor, schema });
  return {
    run: async (tenantId, callback, options) => await scopes.run(tenantId, callback, options),
    db: new TenantDatabase(() => sessions.current()) as unknown as Subject['db'],
    async [Symbol.asyncDispose]() {
      for (const part of [router, keys, catalog, auditor, client, managers]) await part.close();
    },
  };
}
