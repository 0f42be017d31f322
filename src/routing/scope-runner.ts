import type { AuditEntry } from '../audit/audit-event.ts';
import type { Auditor } from '../audit/auditor.ts';
import { AbortedError, ConfigurationError, CrossTenantAccessError, TenancyError } from '../errors.ts';
import { type CrossTenantGrant, currentScope, enterPart, enterScope, GrantedWork, Scope } from '../tenant/scope.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { parseTenantId, type TenantId } from '../tenant/tenant-id.ts';
import type { CrossTenantRequest } from './cross-tenant-request.ts';
import type { Router } from './route.ts';

/** What `tenancy.run` takes beside tenant and callback. */
export interface RunOptions {
  /** Goes into every audit entry of this scope; inside the same tenant's scope that one's stays. */
  readonly requestId?: string | undefined;
  /**
   * Ends the wait for the scope to open. Once the callback runs, it cancels the scope's running statements on the server, rolls its open
   * transactions back and refuses every later statement with {@link AbortedError}; the callback itself goes on until it settles. Inside the
   * same tenant's scope it does so for what this callback starts.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Opens scopes: one tenant's by `run`, and many, one after the other, by `acrossTenants`. */
export class ScopeRunner {
  readonly #router: Router;
  readonly #auditor: Auditor;
  readonly #activeTenants: (signal?: AbortSignal) => Promise<readonly TenantId[]>;

  constructor(parts: {
    readonly router: Router;
    readonly auditor: Auditor;
    readonly activeTenants: (signal?: AbortSignal) => Promise<readonly TenantId[]>;
  }) {
    this.#router = parts.router;
    this.#auditor = parts.auditor;
    this.#activeTenants = parts.activeTenants;
  }

  /** Runs a callback as one tenant. Inside the same tenant's scope it only calls it; inside another's it is refused and audited. */
  run<T>(id: TenantId, callback: () => T | PromiseLike<T>, options?: RunOptions): Promise<T> {
    const outer = currentScope();
    if (outer !== undefined && !outer.over) return this.#runInside(outer, id, callback, options?.signal);
    // A known tenant is entered at once: nothing is awaited before its callback is called.
    const route = this.#router.cached(id);
    if (route === undefined || options?.signal?.aborted === true) return this.#runUnknown(id, callback, options);
    return enterScope(new Scope(route.tenant, scopeOptions(options)), callback);
  }

  async #runInside<T>(outer: Scope, id: TenantId, callback: () => T | PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
    if (outer.tenant.id !== id) return this.#refuseNested(outer, parseTenantId(id));
    if (signal === undefined) return await callback();
    requireUnaborted(signal, id);
    return await enterPart(outer.within(signal), callback);
  }

  async #runUnknown<T>(id: TenantId, callback: () => T | PromiseLike<T>, options: RunOptions | undefined): Promise<T> {
    const signal = options?.signal;
    const tenant = await this.#resolve(id, signal);
    requireUnaborted(signal, id);
    return await enterScope(new Scope(tenant, scopeOptions(options)), callback);
  }

  /**
   * Runs a callback as each of the tenants in turn. The whole and every tenant are recorded before they begin; what can't be
   * recorded is not done. The first failure ends it.
   */
  async acrossTenants<T>(request: CrossTenantRequest, callback: (tenant: Tenant) => T | PromiseLike<T>): Promise<ReadonlyMap<TenantId, T>> {
    const { actor, reason, requestId, signal } = checkRequest(request);
    const ids = request.tenants === 'all' ? await this.#activeTenants(signal) : [...new Set(request.tenants.map(parseTenantId))];
    const from = currentScope()?.tenant.id;
    const base = { action: 'across-tenants', tenantId: from, actor, reason, requestId } as const;
    const grant = await this.#auditor.record({
      ...base,
      outcome: 'allowed',
      detail: { tenants: ids.length, all: request.tenants === 'all' },
    });
    const total = new GrantedWork();
    const results = new Map<TenantId, T>();
    const closing = () => ({ grant, tenants: ids.length, done: results.size, ...total.counts });
    try {
      await this.#eachOf(ids, request, base, callback, results, total);
    } catch (error) {
      const errorCode = error instanceof TenancyError ? error.code : undefined;
      // Why the work ended is what the caller must hear, also where that can't be recorded.
      await this.#auditor.record({ ...base, outcome: 'failed', errorCode, detail: closing() }).catch(() => {});
      throw error;
    }
    await this.#auditor.record({ ...base, outcome: 'completed', detail: closing() });
    return results;
  }

  async #eachOf<T>(
    ids: readonly TenantId[],
    { actor, reason, requestId, signal }: CrossTenantRequest,
    base: Pick<AuditEntry, 'action' | 'tenantId' | 'actor' | 'reason' | 'requestId'>,
    callback: (tenant: Tenant) => T | PromiseLike<T>,
    results: Map<TenantId, T>,
    total: GrantedWork,
  ): Promise<void> {
    for (const id of ids) {
      if (signal?.aborted === true) {
        throw new AbortedError(`Work across tenants was aborted before tenant "${id}", after ${results.size} of ${ids.length}.`, {
          tenantId: id,
          cause: signal.reason,
          hint: 'Run it again for the tenants that remain.',
        });
      }
      const tenant = await this.#resolve(id, signal);
      const auditId = await this.#auditor.record({ ...base, outcome: 'allowed', targetTenantId: id });
      const work = new GrantedWork(total);
      const grant: CrossTenantGrant = Object.freeze({ auditId, actor, reason, work });
      try {
        results.set(id, await enterScope(new Scope(tenant, { grant, requestId }), () => callback(tenant)));
      } catch (error) {
        const errorCode = error instanceof TenancyError ? error.code : undefined;
        await this.#auditor.record({
          ...base,
          outcome: 'failed',
          targetTenantId: id,
          errorCode,
          detail: { grant: auditId, ...work.counts },
        });
        throw error;
      }
      await this.#auditor.record({ ...base, outcome: 'completed', targetTenantId: id, detail: { grant: auditId, ...work.counts } });
    }
  }

  async #resolve(id: TenantId, signal: AbortSignal | undefined): Promise<Tenant> {
    const route = this.#router.cached(id) ?? (await this.#router.route(parseTenantId(id), signal));
    return route.tenant;
  }

  async #refuseNested(outer: Scope, target: TenantId): Promise<never> {
    const auditId = await this.#auditor.record({
      action: 'scope.nested',
      outcome: 'refused',
      tenantId: outer.tenant.id,
      targetTenantId: target,
      requestId: outer.requestId,
      errorCode: 'CROSS_TENANT_ACCESS',
    });
    throw new CrossTenantAccessError(`The scope of tenant "${target}" was asked for inside the scope of tenant "${outer.tenant.id}".`, {
      tenantId: outer.tenant.id,
      targetTenantId: target,
      auditId,
      hint: 'End the first scope, or use tenancy.acrossTenants({ actor, reason, tenants }, …).',
    });
  }
}

/** Only what a caller may give: a grant comes from an audit entry. */
function scopeOptions(options: RunOptions | undefined): RunOptions | undefined {
  return options === undefined ? undefined : { requestId: options.requestId, signal: options.signal };
}

function requireUnaborted(signal: AbortSignal | undefined, id: TenantId): void {
  if (signal?.aborted !== true) return;
  throw new AbortedError(`The scope of tenant "${id}" was aborted before its callback was called.`, { tenantId: id, cause: signal.reason });
}

function checkRequest(request: CrossTenantRequest): CrossTenantRequest {
  for (const field of ['actor', 'reason'] as const) {
    if (typeof request[field] !== 'string' || request[field].trim() === '') {
      throw new ConfigurationError(`acrossTenants needs ${field === 'actor' ? 'an actor' : 'a reason'}.`, {
        hint: 'It is kept in the audit log: say who does it and why.',
      });
    }
  }
  return request;
}
