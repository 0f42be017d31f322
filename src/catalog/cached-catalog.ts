import { isDeepStrictEqual } from 'node:util';
import { CatalogError, ClosedError, TenantInactiveError, UnknownTenantError } from '../errors.ts';
import { parseTenantId } from '../tenant/tenant-id.ts';
import { abortable } from './abortable.ts';
import { CatalogListener } from './catalog-listener.ts';
import type { CatalogReader } from './catalog-reader.ts';
import type { InvalidationCallback, TenantCatalog } from './tenant-catalog.ts';
import type { TenantRecord } from './tenant-record.ts';

export interface CachedCatalogOptions {
  readonly reader: Pick<CatalogReader, 'tenantRecord'>;
  /** The catalog's URL, to listen for changes; without it records live for a second at most. */
  readonly listenUrl?: string | undefined;
  /** There may be a notice for processes that hold keys: one was written, or could have been missed. */
  readonly onNotice?: (() => void) | undefined;
  /** How long a record is used while changes are listened to, in milliseconds; 30,000 unless told. */
  readonly ttlMs?: number | undefined;
  /** How many tenants are kept; 20,000 unless told. */
  readonly maxEntries?: number | undefined;
  /** A monotonic clock in milliseconds. */
  readonly now?: (() => number) | undefined;
}

interface Entry {
  readonly record: TenantRecord;
  readonly loadedAt: number;
}
interface Refusal {
  readonly error: UnknownTenantError | TenantInactiveError;
  readonly until: number;
}
interface Load {
  readonly promise: Promise<TenantRecord>;
  outdated: boolean;
}

/** While changes go unheard, and for ids that no tenant has, an answer is used this long: it bounds how late a suspension is seen. */
const shortTtlMs = 1_000;
/** Unknown ids come from outside and have no end: they get a small room of their own and never push out a tenant. */
const maxRefusals = 1_000;
const maxLoads = 1_000;
const maxAttempts = 3;

/**
 * Tenant records in memory: loaded once for all who ask at the same time, dropped when the catalog says that they changed, trusted
 * for a second only while nobody would hear of a change.
 *
 * @example
 * ```ts
 * const catalog = new CachedCatalog({ reader, listenUrl: catalogUrl });
 * const record = catalog.cached('tenant-100') ?? await catalog.record('tenant-100');
 * ```
 */
export class CachedCatalog implements TenantCatalog, AsyncDisposable {
  readonly #reader: Pick<CatalogReader, 'tenantRecord'>;
  readonly #ttlMs: number;
  readonly #maxEntries: number;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #refusals = new Map<string, Refusal>();
  readonly #loads = new Map<string, Load>();
  readonly #callbacks = new Set<InvalidationCallback>();
  readonly #listener: CatalogListener | undefined;
  #listening = false;
  #closed = false;

  constructor(options: CachedCatalogOptions) {
    this.#reader = options.reader;
    this.#ttlMs = options.ttlMs ?? 30_000;
    this.#maxEntries = options.maxEntries ?? 20_000;
    this.#now = options.now ?? (() => performance.now());
    this.#listener =
      options.listenUrl === undefined
        ? undefined
        : new CatalogListener({
            url: options.listenUrl,
            onChange: (payload) => this.invalidate(payload === '*' ? undefined : payload),
            onNotice: () => options.onNotice?.(),
            onUp: () => {
              this.#heard(true);
              options.onNotice?.();
            },
            onDown: () => this.#heard(false),
          });
  }

  /** Whether changes are heard as they happen. */
  get listening(): boolean {
    return this.#listening;
  }

  cached(tenantId: string): TenantRecord | undefined {
    const entry = this.#entries.get(tenantId);
    return entry !== undefined && this.#now() - entry.loadedAt < this.#lifetime() ? entry.record : undefined;
  }

  async record(tenantId: string, signal?: AbortSignal): Promise<TenantRecord> {
    for (let attempt = 1; ; attempt++) {
      if (this.#closed) throw new ClosedError(`The tenant ${tenantId} was looked up after close.`, { tenantId });
      const known = this.cached(tenantId);
      if (known !== undefined) return known;
      this.#throwRefusal(tenantId);
      const load = this.#loads.get(tenantId) ?? this.#load(tenantId);
      const record = await abortable(load.promise, signal, `Looking up the tenant ${tenantId}`, tenantId);
      // What was read before a change is not given to those who asked: they read again, unless changes never stop.
      if (!load.outdated || attempt === maxAttempts) return this.#entries.get(tenantId)?.record ?? record;
    }
  }

  onInvalidate(callback: InvalidationCallback): () => void {
    this.#callbacks.add(callback);
    return () => {
      this.#callbacks.delete(callback);
    };
  }

  /** Forgets one tenant, or all; loads under way are not kept. */
  invalidate(tenantId?: string): void {
    if (tenantId === undefined) {
      this.#entries.clear();
      this.#refusals.clear();
      for (const load of this.#loads.values()) load.outdated = true;
      this.#loads.clear();
    } else {
      this.#entries.delete(tenantId);
      this.#refusals.delete(tenantId);
      const load = this.#loads.get(tenantId);
      if (load !== undefined) load.outdated = true;
      this.#loads.delete(tenantId);
    }
    this.#tell(tenantId);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#callbacks.clear();
    this.#entries.clear();
    await this.#listener?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #lifetime(): number {
    return this.#listening ? this.#ttlMs : Math.min(this.#ttlMs, shortTtlMs);
  }

  #heard(listening: boolean): void {
    this.#listening = listening;
    // Once LISTEN holds again, nothing says what changed in between.
    if (listening) this.invalidate();
  }

  #throwRefusal(tenantId: string): void {
    const refusal = this.#refusals.get(tenantId);
    if (refusal === undefined) return;
    if (this.#now() < refusal.until) throw refusal.error;
    this.#refusals.delete(tenantId);
  }

  #load(tenantId: string): Load {
    parseTenantId(tenantId);
    if (this.#loads.size >= maxLoads) {
      throw new CatalogError(`The tenant ${tenantId} was not looked up: ${maxLoads} look-ups are under way already.`, {
        tenantId,
        retryable: true,
      });
    }
    const loadedAt = this.#now();
    const load: Load = { promise: this.#read(tenantId), outdated: false };
    this.#loads.set(tenantId, load);
    load.promise.then(
      (record) => {
        if (this.#settle(tenantId, load)) this.#keep(tenantId, record, loadedAt);
      },
      (error: unknown) => {
        if (this.#settle(tenantId, load)) this.#refuse(tenantId, error);
      },
    );
    return load;
  }

  async #read(tenantId: string): Promise<TenantRecord> {
    const record = await this.#reader.tenantRecord(tenantId);
    if (record === undefined) {
      throw new UnknownTenantError(`The catalog knows no tenant ${tenantId}.`, {
        tenantId,
        hint: 'Check the id, or provision the tenant first.',
      });
    }
    return record;
  }

  /** Whether a load's answer may be kept: nothing changed since it began. */
  #settle(tenantId: string, load: Load): boolean {
    if (this.#loads.get(tenantId) === load) this.#loads.delete(tenantId);
    return !load.outdated && !this.#closed;
  }

  #keep(tenantId: string, record: TenantRecord, loadedAt: number): void {
    const before = this.#entries.get(tenantId)?.record;
    // An unchanged record stays the same object, so that routes made from it stay too.
    const unchanged = before !== undefined && isDeepStrictEqual(before, record);
    this.#entries.delete(tenantId);
    if (this.#entries.size >= this.#maxEntries) dropOldest(this.#entries);
    this.#entries.set(tenantId, { record: unchanged ? before : record, loadedAt });
    if (before !== undefined && !unchanged) this.#tell(tenantId);
  }

  #refuse(tenantId: string, error: unknown): void {
    if (!(error instanceof UnknownTenantError || error instanceof TenantInactiveError)) return;
    if (this.#refusals.size >= maxRefusals) dropOldest(this.#refusals);
    this.#refusals.set(tenantId, { error, until: this.#now() + Math.min(this.#ttlMs, shortTtlMs) });
    if (this.#entries.delete(tenantId)) this.#tell(tenantId);
  }

  #tell(tenantId: string | undefined): void {
    for (const callback of this.#callbacks) callback(tenantId);
  }
}

function dropOldest(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
