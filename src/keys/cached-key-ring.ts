import { abortable } from '../catalog/abortable.ts';
import { LocalTenantKeys } from '../crypto/local-tenant-keys.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';
import {
  AbortedError,
  CatalogError,
  ClosedError,
  ConfigurationError,
  KeyManagerError,
  TenancyError,
  TenantInactiveError,
  UnknownTenantError,
} from '../errors.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { dataContext, indexContext } from './key-context.ts';
import type { KeyRing } from './key-ring.ts';
import type { WrappedKeySource } from './wrapped-key-source.ts';

/** Options of {@link CachedKeyRing}; all times in milliseconds. */
export interface CachedKeyRingOptions {
  readonly source: WrappedKeySource;
  readonly managers: KeyManagers;
  /** How long keys are served without asking the key manager again; 300,000 unless told. A disabled key is noticed within it. */
  readonly ttlMs?: number | undefined;
  /** From which age a use fetches them anew in the background, so that no query waits; 80 % of `ttlMs` unless told. */
  readonly refreshMs?: number | undefined;
  /** How much longer than `ttlMs` keys are served while the key manager is away; 900,000 unless told, 0 for never. */
  readonly staleGraceMs?: number | undefined;
  /** How many tenants' keys are kept; those used longest ago go first. 10,000 unless told. */
  readonly maxEntries?: number | undefined;
  /** How long one fetch may take; 10,000 unless told. */
  readonly loadTimeoutMs?: number | undefined;
}

interface Entry {
  readonly keys: TenantKeys;
  /** When the fetch began: what the key manager allowed then is as old as that. */
  readonly loadedAt: number;
  /** No background fetch before this time. */
  refreshAt: number;
  /** Until when `cached` may serve it: its ttl, or a little longer each time the key manager is found away. */
  servedUntil: number;
}

interface Load {
  readonly promise: Promise<TenantKeys>;
  readonly abort: AbortController;
}

/** How long keys past their ttl are served before the key manager, found away, is asked again, in milliseconds. */
const retryMs = 5_000;

/**
 * Tenants' unwrapped keys in memory, bounded in time and number. Concurrent loads of a tenant share one fetch; failures are never kept. While a
 * key manager is `unavailable` or `throttled` (or the catalog fails in a way that may pass) keys live on for `staleGraceMs`; a refusal,
 * such as `disabled`, `pendingDeletion`, `denied` or an unknown tenant, ends them at once. A fetch begun before `evict` is never kept
 * after it.
 *
 * @example
 * ```ts
 * const ring = new CachedKeyRing({ source: catalog, managers: new KeyManagers(kms) });
 * const keys = ring.cached(tenantId) ?? (await ring.load(tenantId, signal));
 * ```
 */
export class CachedKeyRing implements KeyRing {
  readonly #source: WrappedKeySource;
  readonly #managers: KeyManagers;
  readonly #ttlMs: number;
  readonly #refreshMs: number;
  readonly #staleGraceMs: number;
  readonly #maxEntries: number;
  readonly #loadTimeoutMs: number;
  /** In order of use, oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #loads = new Map<string, Load>();
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  /** @throws {ConfigurationError} when a time is negative, `maxEntries` is below 1, or `refreshMs` is above `ttlMs` */
  constructor(options: CachedKeyRingOptions) {
    this.#source = options.source;
    this.#managers = options.managers;
    this.#ttlMs = options.ttlMs ?? 300_000;
    this.#refreshMs = options.refreshMs ?? this.#ttlMs * 0.8;
    this.#staleGraceMs = options.staleGraceMs ?? 900_000;
    this.#maxEntries = options.maxEntries ?? 10_000;
    this.#loadTimeoutMs = options.loadTimeoutMs ?? 10_000;
    const times = [this.#ttlMs, this.#refreshMs, this.#staleGraceMs, this.#loadTimeoutMs];
    if (!times.every((time) => time >= 0) || !(this.#maxEntries >= 1) || this.#refreshMs > this.#ttlMs) {
      throw new ConfigurationError('The key ring’s times must not be negative, refreshMs not above ttlMs, and maxEntries at least 1.');
    }
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(1_000, this.#ttlMs)).unref();
  }

  cached(tenantId: string): TenantKeys | undefined {
    const entry = this.#entries.get(tenantId);
    if (entry === undefined) return undefined;
    const now = performance.now();
    if (now >= entry.servedUntil) return undefined;
    this.#entries.delete(tenantId);
    this.#entries.set(tenantId, entry);
    if (now >= entry.refreshAt) {
      // Who asked has keys; what the fetch finds is for the next one, and an entry that may not live on is gone by then.
      this.#share(tenantId).promise.catch(() => {});
    }
    return entry.keys;
  }

  /**
   * @param signal ends this caller's wait; a fetch that others wait for goes on
   * @throws {KeyManagerError} when the keys can't be unwrapped
   * @throws {CatalogError} when the source answers for another tenant
   * @throws {AbortedError} when the signal is aborted
   * @throws {ClosedError} after `close`
   */
  async load(tenantId: string, signal?: AbortSignal): Promise<TenantKeys> {
    if (this.#closed) throw closedError(tenantId);
    const what = `Waiting for the keys of tenant ${tenantId}`;
    if (signal?.aborted === true) throw new AbortedError(`${what} was aborted.`, { tenantId, cause: signal.reason });
    return this.cached(tenantId) ?? (await abortable(this.#share(tenantId).promise, signal, what, tenantId));
  }

  evict(tenantId: string): void {
    this.#entries.delete(tenantId);
    this.#loads.delete(tenantId);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#entries.clear();
    const loads = [...this.#loads.values()];
    this.#loads.clear();
    for (const load of loads) load.abort.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #share(tenantId: string): Load {
    const running = this.#loads.get(tenantId);
    if (running !== undefined) return running;
    const abort = new AbortController();
    // In a microtask of its own, so that the load is registered before anything of it runs.
    const load: Load = { abort, promise: Promise.resolve().then(() => this.#fetch(tenantId, load)) };
    this.#loads.set(tenantId, load);
    return load;
  }

  async #fetch(tenantId: string, load: Load): Promise<TenantKeys> {
    const isCurrent = (): boolean => this.#loads.get(tenantId) === load;
    const startedAt = performance.now();
    try {
      const keys = await this.#bounded(tenantId, load.abort);
      if (isCurrent()) this.#keep(tenantId, keys, startedAt);
      return keys;
    } catch (error) {
      const entry = this.#entries.get(tenantId);
      if (!isCurrent() || entry === undefined) throw error;
      const now = performance.now();
      const end = this.#endOf(entry);
      if (isRefusal(error) || now >= end) this.#entries.delete(tenantId);
      else entry.refreshAt = now + retryMs;
      if (!mayPass(error) || now >= end) throw error;
      entry.servedUntil = Math.max(entry.servedUntil, Math.min(now + 2 * retryMs, end));
      return entry.keys;
    } finally {
      if (isCurrent()) this.#loads.delete(tenantId);
    }
  }

  #keep(tenantId: string, keys: TenantKeys, loadedAt: number): void {
    this.#entries.delete(tenantId);
    this.#entries.set(tenantId, { keys, loadedAt, refreshAt: loadedAt + this.#refreshMs, servedUntil: loadedAt + this.#ttlMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries) break;
      this.#entries.delete(oldest);
    }
  }

  #endOf(entry: Entry): number {
    return entry.loadedAt + this.#ttlMs + this.#staleGraceMs;
  }

  /** Keys of tenants that nobody asks for any more leave the memory too. */
  #sweep(): void {
    const now = performance.now();
    for (const [tenantId, entry] of this.#entries) if (now >= this.#endOf(entry)) this.#entries.delete(tenantId);
  }

  /** Ends a fetch that takes too long or whose ring is closed, also where source or key manager do not heed signals. */
  async #bounded(tenantId: string, abort: AbortController): Promise<TenantKeys> {
    if (abort.signal.aborted) throw closedError(tenantId);
    let timer: NodeJS.Timeout | undefined;
    const ended = new Promise<never>((_, reject) => {
      abort.signal.addEventListener('abort', () => reject(closedError(tenantId)), { once: true });
      timer = setTimeout(() => {
        reject(
          new KeyManagerError(`The keys of tenant ${tenantId} did not arrive within ${this.#loadTimeoutMs} ms.`, {
            reason: 'unavailable',
            tenantId,
          }),
        );
        abort.abort();
      }, this.#loadTimeoutMs);
    });
    try {
      return await Promise.race([this.#unwrap(tenantId, abort.signal), ended]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #unwrap(tenantId: string, signal: AbortSignal): Promise<TenantKeys> {
    const wrapped = await this.#source.load(tenantId, signal);
    if (wrapped.tenantId !== tenantId) {
      throw new CatalogError(`Asked for the keys of tenant ${tenantId}, the catalog answered with those of ${wrapped.tenantId}.`, {
        tenantId,
      });
    }
    const call = { signal };
    const [indexSecret, ...dataKeys] = await Promise.all([
      this.#managers.for(wrapped.indexSecret.provider).unwrap(wrapped.indexSecret, indexContext(tenantId), call),
      ...wrapped.dataKeys.map(
        async (entry) =>
          [entry.version, await this.#managers.for(entry.wrapped.provider).unwrap(entry.wrapped, dataContext(tenantId), call)] as const,
      ),
    ]);
    return new LocalTenantKeys({ tenantId, currentVersion: wrapped.currentVersion, dataKeys: new Map(dataKeys), indexSecret });
  }
}

/** Whether a failure says nothing of the keys themselves and may pass. */
function mayPass(error: unknown): boolean {
  if (isRefusal(error)) return false;
  return error instanceof KeyManagerError || (error instanceof TenancyError && error.retryable);
}

/** Whether a failure says that these keys may not be used any more. Of anything else that went wrong fresh keys are none the worse. */
function isRefusal(error: unknown): boolean {
  if (error instanceof KeyManagerError) return error.reason !== 'unavailable' && error.reason !== 'throttled';
  return error instanceof UnknownTenantError || error instanceof TenantInactiveError;
}

function closedError(tenantId: string): ClosedError {
  return new ClosedError(`The keys of tenant ${tenantId} were asked for on a key ring that is closed.`, { tenantId });
}
