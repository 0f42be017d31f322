import type { AuditSink } from './audit/audit-sink.ts';
import { Auditor } from './audit/auditor.ts';
import { PostgresAuditSink } from './audit-store/postgres-audit-sink.ts';
import { CachedCatalog } from './catalog/cached-catalog.ts';
import { CatalogClient } from './catalog/catalog-client.ts';
import { CatalogReader } from './catalog/catalog-reader.ts';
import type { CredentialsProvider } from './connection/credentials.ts';
import { createScopedDatabase, type ScopedDatabase } from './database/scoped-database.ts';
import { CatalogError, ClosedError, ConfigurationError } from './errors.ts';
import { CachedKeyRing } from './keys/cached-key-ring.ts';
import type { KeyManager } from './kms/key-manager.ts';
import { KeyManagers } from './kms/key-managers.ts';
import { CatalogRouter } from './routing/catalog-router.ts';
import type { CrossTenantRequest } from './routing/cross-tenant-request.ts';
import { type LaneOptions, openPostgresPool } from './routing/open-postgres-pool.ts';
import { type RunOptions, ScopeRunner } from './routing/scope-runner.ts';
import { sealedCredentials } from './routing/sealed-credentials.ts';
import { currentScope, requireScope } from './tenant/scope.ts';
import type { Tenant } from './tenant/tenant.ts';
import type { TenantId } from './tenant/tenant-id.ts';
import { defaultTiers, type Tiers } from './tenant/tier.ts';
import { checkServiceLogin } from './verify/login-check.ts';

/** What {@link createTenancy} takes: the service's side only. No owner's or administrator's password belongs here. */
export interface TenancyOptions<TSchema extends Record<string, unknown>> {
  /** The catalog's URL for services, as `tenancy init` printed it. */
  readonly catalog: { readonly url: string };
  /** The drizzle schema: tenant tables, reference tables, relations. */
  readonly schema: TSchema;
  readonly runtime: {
    /** The region that this process runs in; tenants that do not allow it are refused. */
    readonly region: string;
    /** Shown in `pg_stat_activity`; `tenancy` unless told. */
    readonly applicationName?: string | undefined;
  };
  /** One key manager, or one per region. */
  readonly kms: KeyManager | readonly KeyManager[];
  /** Where logins come from; the catalog's sealed ones unless told. */
  readonly credentials?: CredentialsProvider | undefined;
  readonly tiers?: Tiers | undefined;
  /** Sinks beside the catalog's audit log. */
  readonly audit?: { readonly sinks?: readonly AuditSink[] | undefined } | undefined;
  readonly lanes?: LaneOptions | undefined;
}

/** A service's way to its tenants' data. */
export interface Tenancy<TSchema extends Record<string, unknown>> extends AsyncDisposable {
  /** drizzle, typed by the schema: every query runs as the current scope's tenant. */
  readonly db: ScopedDatabase<TSchema>['db'];
  /** Raw SQL as the current scope's tenant: a tagged template whose values are always parameters. */
  readonly sql: ScopedDatabase<TSchema>['sql'];
  /**
   * Runs a callback as one tenant. A thenable that it returns is awaited inside.
   *
   * @throws {UnknownTenantError} {@link TenantInactiveError} {@link ResidencyError} {@link InvalidTenantIdError} before the callback runs
   * @throws {CrossTenantAccessError} inside another tenant's scope
   */
  run<T>(tenantId: TenantId, callback: () => T | PromiseLike<T>, options?: RunOptions): Promise<T>;
  /** The tenant of the running code. @throws {NoTenantError} outside any scope */
  current(): Tenant;
  currentOrNull(): Tenant | null;
  /**
   * The only way to work on several tenants: one scope after the other, each recorded before it begins.
   *
   * @returns what the callback answered, by tenant id
   * @throws {AuditUnavailableError} when the access can't be recorded; it is then not made
   */
  acrossTenants<T>(request: CrossTenantRequest, callback: (tenant: Tenant) => T | PromiseLike<T>): Promise<ReadonlyMap<TenantId, T>>;
  /** Waits for what is under way, then ends every connection. Key managers are closed too. */
  close(): Promise<void>;
}

/**
 * Opens a service's tenancy. It connects to the catalog at once, and to a tenant's database with the first query there.
 *
 * @throws {CatalogError} when the catalog can't be reached or is not installed
 * @throws {ConfigurationError} when the options can't be used
 * @example
 * ```ts
 * await using tenancy = await createTenancy({ catalog: { url }, schema, runtime: { region: 'us-east-1' }, kms });
 * await tenancy.run('acme', () => tenancy.db.select().from(products));
 * ```
 */
export async function createTenancy<TSchema extends Record<string, unknown>>(options: TenancyOptions<TSchema>): Promise<Tenancy<TSchema>> {
  if (typeof options.runtime?.region !== 'string' || options.runtime.region === '') {
    throw new ConfigurationError('createTenancy needs runtime.region.', {
      hint: 'Say where this process runs: residency is decided by it.',
    });
  }
  const managers = new KeyManagers(options.kms);
  const client = await CatalogClient.open({
    url: options.catalog.url,
    applicationName: `${options.runtime.applicationName ?? 'tenancy'}-catalog`,
  });
  return new WiredTenancy(options, managers, client);
}

class WiredTenancy<TSchema extends Record<string, unknown>> implements Tenancy<TSchema> {
  readonly db: ScopedDatabase<TSchema>['db'];
  readonly sql: ScopedDatabase<TSchema>['sql'];
  readonly #scopes: ScopeRunner;
  readonly #parts: readonly { close(): Promise<void> }[];
  #closed: Promise<void> | undefined;

  constructor(options: TenancyOptions<TSchema>, managers: KeyManagers, client: CatalogClient) {
    const tiers = options.tiers ?? defaultTiers;
    const reader = new CatalogReader({ session: client, tiers });
    const auditor = new Auditor([new PostgresAuditSink({ session: client }), ...(options.audit?.sinks ?? [])]);
    const catalog = new CachedCatalog({ reader, listenUrl: options.catalog.url });
    const keys = new CachedKeyRing({ managers, source: { load: async (tenantId) => await requireWrappedKeys(reader, tenantId) } });
    catalog.onInvalidate((tenantId) => {
      if (tenantId !== undefined) keys.evict(tenantId);
    });
    const router = new CatalogRouter({
      catalog,
      managers,
      auditor,
      masters: async () => await reader.contextMasters(),
      credentials: options.credentials ?? sealedCredentials({ reader, managers }),
      openPool: openPostgresPool({ ...options.lanes, applicationName: options.runtime.applicationName ?? 'tenancy' }),
      checkLogin: checkServiceLogin,
      runtimeRegion: options.runtime.region,
    });
    const database = createScopedDatabase({ schema: options.schema, router, keys, auditor });
    this.db = database.db;
    this.sql = database.sql;
    this.#scopes = new ScopeRunner({ router, auditor, activeTenants: async () => await reader.activeTenants() });
    // In this order: no new work, then what it stood on.
    this.#parts = [router, keys, catalog, auditor, client, managers];
  }

  run<T>(tenantId: TenantId, callback: () => T | PromiseLike<T>, options?: RunOptions): Promise<T> {
    this.#requireOpen();
    return this.#scopes.run(tenantId, callback, options);
  }

  current(): Tenant {
    return requireScope('The current tenant was asked for').tenant;
  }

  currentOrNull(): Tenant | null {
    return currentScope()?.tenant ?? null;
  }

  acrossTenants<T>(request: CrossTenantRequest, callback: (tenant: Tenant) => T | PromiseLike<T>): Promise<ReadonlyMap<TenantId, T>> {
    this.#requireOpen();
    return this.#scopes.acrossTenants(request, callback);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    for (const part of this.#parts) await part.close();
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw new ClosedError('A tenancy was used after close.');
  }
}

async function requireWrappedKeys(reader: CatalogReader, tenantId: TenantId) {
  const keys = await reader.wrappedKeys(tenantId);
  if (keys !== undefined) return keys;
  throw new CatalogError(`The catalog has no keys of the tenant "${tenantId}".`, {
    tenantId,
    hint: 'Provision the tenant again: it goes on where it stopped.',
  });
}
