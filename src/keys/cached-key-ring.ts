import { abortable } from '../catalog/abortable.ts';
import { LocalTenantKeys } from '../crypto/local-tenant-keys.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';
import {
  AbortedError,
  CatalogError,
  ClosedError,
  ConfigurationError,
  DecryptionError,
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
  /** Hears how every fetch ended: once per load, not per use. */
  readonly onLoad?: ((tenantId: string, outcome: KeyLoad) => void) | undefined;
}

/** How a fetch of a tenant's keys ended. */
export type KeyLoad =
  | { readonly outcome: 'unwrapped'; readonly providers: readonly string[]; readonly versions: readonly number[] }
  /** The key manager or the catalog said that they may not be used. */
  | { readonly outcome: 'refused'; readonly error: TenancyError };

interface Entry {
  readonly keys: LocalTenantKeys;
  /** When the fetch began: what the key manager allowed then is as old as that. */
  readonly loadedAt: number;
  /** No background fetch before this time. */
  refreshAt: number;
  /** Until when `cached` may serve it: its ttl, or a little longer each time the key manager is found away. */
  servedUntil: number;
}

interface Load {
  readonly promise: Promise<LocalTenantKeys>;
  readonly abort: AbortController;
  /** From 1; more where earlier ones were outdated before they ended. */
  readonly attempt: number;
}

/** How often a fetch that was outdated before it ended is made anew. */
const maxAttempts = 3;

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
  /** The newest keys that were handed out, as long as a statement may hold them; what is fetched later reaches it through them. */
  readonly #handedOut = new Map<string, WeakRef<LocalTenantKeys>>();
  readonly #onLoad: CachedKeyRingOptions['onLoad'];
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
    this.#onLoad = options.onLoad;
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

  /**
   * Fetches a tenant's keys anew where any are in memory. Resolved means that every statement from now on, and every one that is under way,
   * finds the versions that the catalog had when it was called; a failure that may pass leaves the keys that are there in use.
   *
   * @throws whatever the fetch met, while older keys are still in use
   */
  async reload(tenantId: string): Promise<void> {
    this.#loads.delete(tenantId);
    if (!this.#entries.has(tenantId) && this.#handedOut.get(tenantId)?.deref() === undefined) return;
    const startedAt = performance.now();
    const failure = await this.#share(tenantId).promise.then(
      () => undefined,
      (error: unknown) => error,
    );
    const entry = this.#entries.get(tenantId);
    const stale = entry === undefined ? failure !== undefined && mayPass(failure) : entry.loadedAt < startedAt;
    if (stale && !this.#closed)
      throw failure ?? new KeyManagerError(`The keys of tenant ${tenantId} were not fetched anew.`, { reason: 'unavailable', tenantId });
  }

  /** Destroys a tenant's keys in memory, also those that statements under way hold. */
  forget(tenantId: string): void {
    this.#entries.get(tenantId)?.keys.destroy();
    this.#handedOut.get(tenantId)?.deref()?.destroy();
    this.#handedOut.delete(tenantId);
    this.evict(tenantId);
  }

  /** How long keys may live after they were fetched, in milliseconds, when nothing is heard of the catalog or the key manager. */
  get keyLifeMs(): number {
    return this.#ttlMs + this.#staleGraceMs;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#entries.clear();
    this.#handedOut.clear();
    const loads = [...this.#loads.values()];
    this.#loads.clear();
    for (const load of loads) load.abort.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What a fetch answers that began at `startedAt` and was outdated meanwhile: keys of a fetch that began after that, made now if need be. */
  async #again(tenantId: string, attempt: number, startedAt: number): Promise<LocalTenantKeys> {
    if (this.#closed) throw closedError(tenantId);
    const entry = this.#entries.get(tenantId);
    // Only one fetch is under way at a time, so one that began later began after the earlier one was outdated.
    if (entry !== undefined && entry.loadedAt > startedAt) return entry.keys;
    if (attempt < maxAttempts) return await this.#share(tenantId, attempt + 1).promise;
    throw new CatalogError(`The keys of tenant ${tenantId} changed each time that they were fetched.`, { tenantId, retryable: true });
  }

  #share(tenantId: string, attempt = 1): Load {
    const running = this.#loads.get(tenantId);
    if (running !== undefined) return running;
    const abort = new AbortController();
    // In a microtask of its own, so that the load is registered before anything of it runs.
    const load: Load = { abort, attempt, promise: Promise.resolve().then(() => this.#fetch(tenantId, load)) };
    this.#loads.set(tenantId, load);
    return load;
  }

  async #fetch(tenantId: string, load: Load): Promise<LocalTenantKeys> {
    const isCurrent = (): boolean => this.#loads.get(tenantId) === load;
    const startedAt = performance.now();
    try {
      const keys = await this.#bounded(tenantId, load.abort);
      if (isCurrent()) {
        this.#keep(tenantId, keys, startedAt);
        return keys;
      }
      // Told to forget meanwhile: what it found may be what was to be forgotten.
      keys.destroy();
    } catch (error) {
      if (isRefusal(error)) this.#onLoad?.(tenantId, { outcome: 'refused', error: error as TenancyError });
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
    return await this.#again(tenantId, load.attempt, startedAt);
  }

  #keep(tenantId: string, keys: LocalTenantKeys, loadedAt: number): void {
    const earlier = this.#handedOut.get(tenantId)?.deref();
    if (earlier !== undefined) keys.replace(earlier);
    this.#handedOut.set(tenantId, new WeakRef(keys));
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
    for (const [tenantId, keys] of this.#handedOut) if (keys.deref() === undefined) this.#handedOut.delete(tenantId);
  }

  /** Ends a fetch that takes too long or whose ring is closed, also where source or key manager do not heed signals. */
  async #bounded(tenantId: string, abort: AbortController): Promise<LocalTenantKeys> {
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

  async #unwrap(tenantId: string, signal: AbortSignal): Promise<LocalTenantKeys> {
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
    const keys = new LocalTenantKeys({ tenantId, currentVersion: wrapped.currentVersion, dataKeys: new Map(dataKeys), indexSecret });
    const providers = new Set([wrapped.indexSecret.provider, ...wrapped.dataKeys.map((entry) => entry.wrapped.provider)]);
    this.#onLoad?.(tenantId, { outcome: 'unwrapped', providers: [...providers], versions: wrapped.dataKeys.map(({ version }) => version) });
    return keys;
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
  return error instanceof UnknownTenantError || error instanceof TenantInactiveError || error instanceof DecryptionError;
}

function closedError(tenantId: string): ClosedError {
  return new ClosedError(`The keys of tenant ${tenantId} were asked for on a key ring that is closed.`, { tenantId });
}
