import { type AuditOptions, serviceAuditor, silentQuestions } from './audit-store/service-auditor.ts';
import { CachedCatalog } from './catalog/cached-catalog.ts';
import { CatalogClient } from './catalog/catalog-client.ts';
import { CatalogReader } from './catalog/catalog-reader.ts';
import type { CredentialsProvider } from './connection/credentials.ts';
import type { RawSql } from './database/raw-sql.ts';
import { createScopedDatabase, type ScopedPgDatabase } from './database/scoped-database.ts';
import { type BatchLoad, createScopedLoader, type LoaderOptions, type ScopedLoader } from './database/scoped-loader.ts';
import type { RunTransaction } from './database/scoped-transaction.ts';
import { ClosedError, ConfigurationError } from './errors.ts';
import { type KeyCacheOptions, ServiceKeys } from './keys/service-keys.ts';
import type { KeyManager } from './kms/key-manager.ts';
import { KeyManagers } from './kms/key-managers.ts';
import { CatalogRouter } from './routing/catalog-router.ts';
import type { CrossTenantRequest } from './routing/cross-tenant-request.ts';
import { type LaneOptions, openPostgresPool } from './routing/open-postgres-pool.ts';
import { type RunOptions, ScopeRunner } from './routing/scope-runner.ts';
import { sealedCredentials } from './routing/sealed-credentials.ts';
import type { StatementLogger } from './telemetry/statement-event.ts';
import { Telemetry } from './telemetry/telemetry.ts';
import type { TelemetryOptions } from './telemetry/telemetry-options.ts';
import { currentScope, requireScope } from './tenant/scope.ts';
import type { Tenant } from './tenant/tenant.ts';
import type { TenantId } from './tenant/tenant-id.ts';
import { defaultTiers, type Tiers } from './tenant/tier.ts';
import { checkServiceLogin } from './verify/login-check.ts';

/** What {@link createTenancy} takes: the service's side only. No owner's or administrator's password belongs here. */
export interface TenancyOptions<TSchema extends Record<string, unknown>> {
  /** Where routing data comes from. */
  readonly catalog: {
    /** The catalog's URL for services, as `tenancy init --show-secrets` prints it; reached directly, since LISTEN passes no pooler. */
    readonly url: string;
  };
  /** The drizzle schema: tenant tables, reference tables, relations. */
  readonly schema: TSchema;
  /** This process. */
  readonly runtime: {
    /** The region that this process runs in; tenants that do not allow it are refused. */
    readonly region: string;
    /** Shown in `pg_stat_activity`, for the catalog with `-catalog` behind it; `tenancy` unless told. */
    readonly applicationName?: string | undefined;
  };
  /** One key manager, or one per region. `close` closes them too. */
  readonly kms: KeyManager | readonly KeyManager[];
  /** How long tenants' keys stay in this process's memory; five minutes unless told (docs/encryption.md, "Keys"). */
  readonly keys?: KeyCacheOptions | undefined;
  /** Where logins come from; the catalog's sealed ones unless told. */
  readonly credentials?: CredentialsProvider | undefined;
  /** The platform's tiers, the same as the control plane's; `defaultTiers` unless told. */
  readonly tiers?: Tiers | undefined;
  /** Where audit entries go, beside the catalog's audit log. */
  readonly audit?: AuditOptions | undefined;
  /** Limits of the connections to tenant databases. */
  readonly lanes?: LaneOptions | undefined;
  /** OpenTelemetry's providers, for spans and metrics; nothing is watched unless told. */
  readonly telemetry?: TelemetryOptions | undefined;
  /** Hears of every statement; drizzle's `Logger` fits. */
  readonly logger?: StatementLogger | undefined;
}

/**
 * A service's way to its tenants' data. One for a process: made at its start, closed at its end, shared by all requests.
 *
 * @typeParam TSchema the drizzle schema, usually `typeof schema` of `import * as schema`
 */
export interface Tenancy<TSchema extends Record<string, unknown>> extends AsyncDisposable {
  /**
   * drizzle, typed by the schema: every query runs as the current scope's tenant. It may be kept in a variable of the module: the scope is
   * looked up when a query is made and again when it is awaited. What it refuses, and how that is audited, is in docs/concepts.md.
   *
   * @example
   * ```ts
   * const lamps = await tenancy.run('acme', () => tenancy.db.select().from(products).where(eq(products.sku, 'LAMP-1')));
   * ```
   */
  readonly db: ScopedPgDatabase<TSchema>;
  /**
   * Raw SQL as the current scope's tenant: a tagged template whose values are always parameters. Nothing is added to it; row-level security
   * alone holds it.
   *
   * @example
   * ```ts
   * const rows = await tenancy.run('acme', () => tenancy.sql<{ sku: string }>`select sku from products where stock < ${5}`);
   * ```
   */
  readonly sql: RawSql;
  /**
   * A transaction of the current scope: kept when the callback resolves, rolled back when it rejects. While the callback runs `tenancy.db` and
   * `tenancy.sql` are that transaction too; a transaction inside it is a savepoint. `tenancy.db.transaction` is the same without `signal` and
   * `retry`.
   *
   * With `retry` the whole callback runs again after a serialization failure or a deadlock, so it must do nothing outside the database that
   * may not happen twice; its second argument counts the attempts from 1.
   *
   * @returns what the callback answered; what it throws is thrown on
   * @throws {TransactionConflictError} when `retry` is used up
   * @throws {TransactionAbortedError} when the COMMIT answered ROLLBACK, because a statement's failure was caught
   * @throws {AbortedError} when the signal fires
   * @throws {LaneLostError} when the connection died; it is not tried again once the callback was called
   * @throws {NotSupportedError} for isolation level, access mode or `retry` inside another transaction
   * @example
   * ```ts
   * await tenancy.run('acme', () =>
   *   tenancy.transaction(
   *     async (tx) => {
   *       await tx.update(products).set({ stock: 4 }).where(eq(products.sku, 'LAMP-1'));
   *     },
   *     { isolationLevel: 'serializable', retry: { attempts: 5 } },
   *   ),
   * );
   * ```
   */
  readonly transaction: RunTransaction<TSchema>;
  /**
   * Runs a callback as one tenant: everything that it starts, however asynchronous, is that tenant's work until it settles. A thenable
   * that it returns is awaited inside. In the same tenant's scope the callback is just called. Entering the scope of a tenant whose catalog
   * record is in memory awaits nothing.
   *
   * @returns what the callback answered; what it throws is thrown on
   * @throws {UnknownTenantError} {@link TenantInactiveError} {@link ResidencyError} {@link InvalidTenantIdError} before the callback runs
   * @throws {LoginRefusedError} before the callback runs, when the service's login could step over row-level security
   * @throws {CrossTenantAccessError} inside another tenant's scope
   * @throws {AbortedError} when `options.signal` fires before the callback runs; afterwards the scope's statements throw it
   * @throws {ClosedError} after `close`
   * @example
   * ```ts
   * const stock = await tenancy.run('acme', () => tenancy.db.select().from(products), { requestId: 'r-42' });
   * ```
   */
  run<T>(tenantId: TenantId, callback: () => T | PromiseLike<T>, options?: RunOptions): Promise<T>;
  /**
   * The tenant of the running code.
   *
   * @throws {NoTenantError} outside any scope
   * @example
   * ```ts
   * const sendsMail = await tenancy.run('acme', () => tenancy.current().config.features['mail'] === true);
   * ```
   */
  current(): Tenant;
  /** The tenant of the running code, or null outside any scope: for logs. */
  currentOrNull(): Tenant | null;
  /**
   * A loader for keys that are asked for one by one, such as by the resolvers of GraphQL: what is asked for at the same time becomes one call
   * of the callback, and a key that a scope has loaded is not loaded again in it. Cache and batches belong to one scope, or to one
   * transaction, and end with it. It may be kept in a variable of the module, where a shared cache would hand one tenant's rows to another.
   *
   * @typeParam K the keys, told apart as those of a Map
   * @throws {ConfigurationError} when `maxBatchSize` is below 1
   * @example
   * ```ts
   * const stockBySku = tenancy.loader(async (skus: readonly string[]) => {
   *   const rows = await tenancy.db.select().from(products).where(inArray(products.sku, skus));
   *   return skus.map((sku) => rows.find((row) => row.sku === sku)?.stock);
   * });
   * await tenancy.run('acme', () => Promise.all([stockBySku.load('LAMP-1'), stockBySku.load('LAMP-2')]));
   * ```
   */
  loader<K, V>(loadBatch: BatchLoad<K, V>, options?: LoaderOptions): ScopedLoader<K, V>;
  /**
   * The only way to work on several tenants: one scope after the other, the whole and each recorded before it begins and after it ended. The first failure
   * ends it and is thrown; the tenants before it are done.
   *
   * @returns what the callback answered, by tenant id, in the order of the work
   * @throws {ConfigurationError} when actor or reason is empty
   * @throws {AuditUnavailableError} when the access can't be recorded; it is then not made
   * @throws {AbortedError} when `request.signal` fires, before the next tenant
   * @throws {ClosedError} after `close`
   * @example
   * ```ts
   * const request = { actor: 'stock-report', reason: 'nightly report', tenants: 'all' } as const;
   * const counts = await tenancy.acrossTenants(request, () => tenancy.db.$count(products));
   * ```
   */
  acrossTenants<T>(request: CrossTenantRequest, callback: (tenant: Tenant) => T | PromiseLike<T>): Promise<ReadonlyMap<TenantId, T>>;
  /** Waits for what is under way, then ends every connection. Key managers are closed too. */
  close(): Promise<void>;
}

/**
 * Opens a service's tenancy. It connects to the catalog at once, and to a tenant's database with the first scope there.
 *
 * @throws {CatalogError} when the catalog can't be reached, is not installed, or is older than this release
 * @throws {ConfigurationError} when the options can't be used: no region, no key manager, a URL that is none, a table that is neither a
 *   tenant nor a reference table
 * @example
 * ```ts
 * const kms = localKeyManager({ file: '.tenancy/keys.json', region: 'us-east-1' });
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
  readonly db: ScopedPgDatabase<TSchema>;
  readonly sql: RawSql;
  readonly transaction: RunTransaction<TSchema>;
  readonly #scopes: ScopeRunner;
  readonly #parts: readonly { close(): Promise<void> }[];
  #closed: Promise<void> | undefined;

  constructor(options: TenancyOptions<TSchema>, managers: KeyManagers, client: CatalogClient) {
    const tiers = options.tiers ?? defaultTiers;
    const applicationName = options.runtime.applicationName ?? 'tenancy';
    const reader = new CatalogReader({ session: client, tiers });
    const telemetry = Telemetry.of(options.telemetry, options.logger);
    const auditor = serviceAuditor(
      options.audit,
      client,
      managers,
      telemetry && (({ action, tenantId }) => telemetry.refused(action, tenantId)),
    );
    const keys = new ServiceKeys({ session: client, reader, managers, auditor, name: applicationName, options: options.keys });
    const catalog = new CachedCatalog({ reader, listenUrl: options.catalog.url, onNotice: () => keys.look() });
    catalog.onInvalidate((tenantId) => {
      if (tenantId !== undefined) keys.ring.evict(tenantId);
    });
    const router = new CatalogRouter({
      catalog,
      managers,
      auditor,
      masters: async () => await reader.contextMasters(),
      credentials: options.credentials ?? sealedCredentials({ reader, managers }),
      openPool: openPostgresPool({ ...options.lanes, applicationName, telemetry }),
      applicationName: options.lanes?.tenantInApplicationName === true ? applicationName : undefined,
      checkLogin: checkServiceLogin,
      runtimeRegion: options.runtime.region,
    });
    const questions = silentQuestions(options.audit, client, managers);
    const askSilent = questions && ((question: Parameters<typeof questions.ask>[0]) => questions.ask(question));
    const database = createScopedDatabase({ schema: options.schema, router, keys: keys.ring, auditor, telemetry, askSilent });
    this.db = database.db;
    this.sql = database.sql;
    this.transaction = database.transaction;
    this.#scopes = new ScopeRunner({ router, auditor, activeTenants: async () => await reader.activeTenants() });
    // In this order: no new work, then what it stood on.
    this.#parts = [router, keys, catalog, ...(questions === undefined ? [] : [questions]), auditor, client, managers];
  }

  run<T>(tenantId: TenantId, callback: () => T | PromiseLike<T>, options?: RunOptions): Promise<T> {
    return this.#closed === undefined ? this.#scopes.run(tenantId, callback, options) : refuseClosed();
  }

  current(): Tenant {
    return requireScope('The current tenant was asked for').tenant;
  }

  currentOrNull(): Tenant | null {
    return currentScope()?.tenant ?? null;
  }

  loader<K, V>(loadBatch: BatchLoad<K, V>, options?: LoaderOptions): ScopedLoader<K, V> {
    return createScopedLoader(loadBatch, options);
  }

  acrossTenants<T>(request: CrossTenantRequest, callback: (tenant: Tenant) => T | PromiseLike<T>): Promise<ReadonlyMap<TenantId, T>> {
    return this.#closed === undefined ? this.#scopes.acrossTenants(request, callback) : refuseClosed();
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
}

async function refuseClosed(): Promise<never> {
  throw new ClosedError('A scope was asked for after the tenancy was closed.', {
    hint: 'Close it when the last request has ended, or open another with createTenancy.',
  });
}
