import { Auditor } from '../../src/audit/auditor.ts';
import { PostgresAuditSink } from '../../src/audit-store/postgres-audit-sink.ts';
import { CachedCatalog } from '../../src/catalog/cached-catalog.ts';
import { CatalogClient } from '../../src/catalog/catalog-client.ts';
import { CatalogReader } from '../../src/catalog/catalog-reader.ts';
import { createScopedDatabase } from '../../src/database/scoped-database.ts';
import { CachedKeyRing } from '../../src/keys/cached-key-ring.ts';
import { KeyManagers } from '../../src/kms/key-managers.ts';
import { CatalogRouter } from '../../src/routing/catalog-router.ts';
import type { OpenPool } from '../../src/routing/pool-request.ts';
import { ScopeRunner } from '../../src/routing/scope-runner.ts';
import { sealedCredentials } from '../../src/routing/sealed-credentials.ts';
import { currentScope } from '../../src/tenant/scope.ts';
import type { Tiers } from '../../src/tenant/tier.ts';
import type { TestPlatform } from '../../src/testing/test-platform.ts';
import { checkServiceLogin } from '../../src/verify/login-check.ts';

type Wired<TSchema extends Record<string, unknown>> = Pick<
  TestPlatform<TSchema>['tenancy'],
  'db' | 'sql' | 'transaction' | 'run' | 'currentOrNull' | 'acrossTenants'
> &
  AsyncDisposable;

/** A tenancy as `createTenancy` wires it, over pools of the caller's own: broken ones, for controls, or ones behind a proxy. */
export async function wireTenancy<TSchema extends Record<string, unknown>>(
  platform: TestPlatform<TSchema>,
  options: { readonly schema: TSchema; readonly tiers: Tiers; readonly openPool: OpenPool },
): Promise<Wired<TSchema>> {
  const managers = new KeyManagers(platform.keyManagers());
  const client = await CatalogClient.open({ url: platform.serviceCatalogUrl });
  const reader = new CatalogReader({ session: client, tiers: options.tiers });
  const auditor = new Auditor([new PostgresAuditSink({ session: client })]);
  const catalog = new CachedCatalog({ reader, listenUrl: platform.serviceCatalogUrl });
  const keys = new CachedKeyRing({ managers, source: { load: async (tenantId) => (await reader.wrappedKeys(tenantId))! } });
  const router = new CatalogRouter({
    catalog,
    managers,
    auditor,
    masters: async () => await reader.contextMasters(),
    credentials: sealedCredentials({ reader, managers }),
    openPool: options.openPool,
    checkLogin: checkServiceLogin,
    runtimeRegion: 'us-east-1',
  });
  const scopes = new ScopeRunner({ router, auditor, activeTenants: async () => await reader.activeTenants() });
  return {
    ...createScopedDatabase({ schema: options.schema, router, keys, auditor }),
    run: async (tenantId, callback, more) => await scopes.run(tenantId, callback, more),
    acrossTenants: async (request, callback) => await scopes.acrossTenants(request, callback),
    currentOrNull: () => currentScope()?.tenant ?? null,
    async [Symbol.asyncDispose]() {
      for (const part of [router, keys, catalog, auditor, client, managers]) await part.close();
    },
  };
}
