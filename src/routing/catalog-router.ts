import type { Auditor } from '../audit/auditor.ts';
import { abortable } from '../catalog/abortable.ts';
import type { ContextMaster } from '../catalog/context-master.ts';
import { inactiveTenant } from '../catalog/inactive-tenant.ts';
import type { TenantCatalog } from '../catalog/tenant-catalog.ts';
import type { TenantRecord } from '../catalog/tenant-record.ts';
import type { CredentialsProvider } from '../connection/credentials.ts';
import { ClosedError, LoginRefusedError, type TenancyError } from '../errors.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { type ResidencyFacts, residencyRefusal } from '../residency/residency-rule.ts';
import { currentScope } from '../tenant/scope.ts';
import { ContextSigners } from './context-signers.ts';
import { LoginPools } from './login-pools.ts';
import type { CheckLogin, OpenPool, PoolRequest } from './pool-request.ts';
import type { Route, Router } from './route.ts';
import { tenantRoute } from './tenant-route.ts';

export interface CatalogRouterOptions {
  readonly catalog: TenantCatalog;
  /** The catalog's context masters: `() => reader.contextMasters()`. */
  readonly masters: () => Promise<readonly ContextMaster[]>;
  readonly managers: KeyManagers;
  readonly credentials: CredentialsProvider;
  readonly openPool: OpenPool;
  readonly checkLogin: CheckLogin;
  readonly auditor: Auditor;
  /** The region that this process runs in. */
  readonly runtimeRegion: string;
  /** How long a pool may lie idle before its lanes are closed, in milliseconds; 300,000 unless told. */
  readonly idleMs?: number | undefined;
  /** How long a signed context is valid, in seconds; 120 unless told. */
  readonly contextTtlSeconds?: number | undefined;
  /** Put before the tenant's id in `application_name` of its units; the lanes keep their own name unless told. */
  readonly applicationName?: string | undefined;
  /** A monotonic clock in milliseconds. */
  readonly now?: (() => number) | undefined;
}

/**
 * Routes by the catalog: status, then residency, then login, and only then a pool. A route lives as long as the record that it was
 * made from, so finding it again is a look-up.
 *
 * @example
 * ```ts
 * const route = router.cached('tenant-100') ?? await router.route('tenant-100');
 * await route.pool.run({ context: route.context, statement });
 * ```
 */
export class CatalogRouter implements Router, AsyncDisposable {
  readonly #options: CatalogRouterOptions;
  readonly #pools: LoginPools;
  readonly #signers: ContextSigners;
  readonly #routes = new WeakMap<TenantRecord, Route>();
  readonly #building = new WeakMap<TenantRecord, Promise<Route>>();
  readonly #unsubscribe: () => void;
  #closed = false;

  constructor(options: CatalogRouterOptions) {
    this.#options = Object.freeze({ ...options });
    this.#signers = new ContextSigners({
      masters: options.masters,
      managers: options.managers,
      ttlSeconds: options.contextTtlSeconds ?? 120,
    });
    this.#pools = new LoginPools({
      credentials: options.credentials,
      openPool: options.openPool,
      checkLogin: (request) => this.#checkLogin(request),
      idleMs: options.idleMs ?? 300_000,
      now: options.now ?? (() => performance.now()),
    });
    this.#unsubscribe = options.catalog.onInvalidate((tenantId) => {
      // One tenant's change touches neither logins nor masters; those are announced to all.
      if (tenantId !== undefined) return;
      this.#signers.clear();
      this.#pools.recheck();
    });
  }

  cached(tenantId: string): Route | undefined {
    const record = this.#options.catalog.cached(tenantId);
    return record === undefined ? undefined : this.#routes.get(record);
  }

  /**
   * @throws {UnknownTenantError} when there is no such tenant
   * @throws {TenantInactiveError} when it is not active; audited
   * @throws {ResidencyError} when its cluster, its key manager or this process stands where its data may not be; audited
   * @throws {LoginRefusedError} when the service's login could step over row-level security; audited
   */
  async route(tenantId: string, signal?: AbortSignal): Promise<Route> {
    if (this.#closed)
      throw new ClosedError(`A route to the tenant ${tenantId} was asked for after close.`, {
        tenantId,
        hint: 'Close the tenancy when its last query has ended, or open another.',
      });
    const known = this.cached(tenantId);
    if (known !== undefined) return known;
    const record = await this.#options.catalog.record(tenantId, signal);
    await this.#requireActive(record);
    await this.#requireResidency(record);
    return await abortable(this.#build(record), signal, `Routing to the tenant ${tenantId}`, tenantId);
  }

  /** Closes every pool; catalog, key managers and auditor are their owner's to close. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsubscribe();
    await this.#pools.close();
    this.#signers.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #build(record: TenantRecord): Promise<Route> {
    let building = this.#building.get(record);
    if (building === undefined) {
      building = this.#buildNow(record).finally(() => {
        this.#building.delete(record);
      });
      this.#building.set(record, building);
    }
    return building;
  }

  async #buildNow(record: TenantRecord): Promise<Route> {
    const { placement, cluster } = record;
    const { pool, user } = await this.#pools.pool(cluster, placement.database);
    const signer = await this.#signers.signer({ clusterId: cluster.id, database: placement.database, audience: user });
    const route = tenantRoute(record, pool, signer, this.#options.applicationName);
    this.#routes.set(record, route);
    return route;
  }

  async #requireActive({ tenant: { id, status } }: TenantRecord): Promise<void> {
    if (status === 'active') return;
    throw inactiveTenant(id, status, await this.#record('scope.inactive', inactiveTenant(id, status), id, { status }));
  }

  async #requireResidency(record: TenantRecord): Promise<void> {
    const { tenant, cluster, keyLocations } = record;
    const facts: ResidencyFacts = {
      tenant,
      clusterId: cluster.id,
      clusterRegion: cluster.region,
      // Both where the key was made and where this process would send it to be opened.
      kmsRegions: [...new Set(keyLocations.flatMap(({ provider, region }) => [region, this.#options.managers.for(provider).region]))],
      runtimeRegion: this.#options.runtimeRegion,
    };
    const refusal = residencyRefusal(facts);
    if (refusal === undefined) return;
    const audit = await this.#record('residency', refusal, tenant.id, {
      cluster: cluster.id,
      clusterRegion: facts.clusterRegion,
      kmsRegions: facts.kmsRegions.join(','),
      runtimeRegion: facts.runtimeRegion,
      allowedRegions: tenant.dataResidency.join(','),
    });
    throw residencyRefusal(facts, audit) ?? refusal;
  }

  async #checkLogin(request: PoolRequest): Promise<void> {
    try {
      await this.#options.checkLogin(request);
    } catch (error) {
      if (!(error instanceof LoginRefusedError)) throw error;
      const audit = await this.#record('login', error, error.tenantId, {
        cluster: request.cluster.id,
        database: request.database,
        login: request.credentials.user,
      });
      throw new LoginRefusedError(error.message, { tenantId: error.tenantId, cause: error, ...audit });
    }
  }

  /** A refusal stands even where it can't be recorded: the caller then gets it with the audit's failure as its cause. */
  async #record(
    action: 'scope.inactive' | 'residency' | 'login',
    refusal: TenancyError,
    tenantId: string | undefined,
    detail: Readonly<Record<string, string>>,
  ): Promise<{ readonly auditId: string } | { readonly cause: unknown }> {
    const requestId = currentScope()?.requestId;
    try {
      return {
        auditId: await this.#options.auditor.record({ action, outcome: 'refused', tenantId, requestId, errorCode: refusal.code, detail }),
      };
    } catch (cause) {
      return { cause };
    }
  }
}
