import { ConfigurationError, NoTenantError } from '../errors.ts';
import { requireScope, type Scope } from '../tenant/scope.ts';
import { type AmbientTransaction, ambientTransaction } from './ambient-transaction.ts';

/** Loads many keys at once, as the tenant whose scope it is called in; answers one value for each key, in the keys' order. */
export type BatchLoad<K, V> = (keys: readonly K[]) => PromiseLike<readonly V[]>;

/** What `tenancy.loader` takes beside its callback. */
export interface LoaderOptions {
  /** The most keys that one call of the callback gets; as many as there are unless told. */
  readonly maxBatchSize?: number | undefined;
}

/** Loads by key, each key once in a scope; see `tenancy.loader`. */
export interface ScopedLoader<K, V> {
  /**
   * @throws {NoTenantError} outside any scope, and in one that is over
   * @throws {ConfigurationError} when the callback does not answer one value for each key
   * @throws what the callback throws, for every key of its batch; the key is then loaded anew when it is asked for again
   */
  load(key: K): Promise<V>;
  /** Forgets what the current scope or transaction knows of a key, such as after a write; others keep theirs. @throws {NoTenantError} outside any scope */
  clear(key: K): void;
}

interface Waiting<K, V> {
  readonly key: K;
  resolve(value: V): void;
  reject(error: unknown): void;
}

/** What has been loaded in one place, and what is about to be. */
interface Loaded<K, V> {
  readonly values: Map<K, Promise<V>>;
  waiting: Waiting<K, V>[];
}

/**
 * Makes a loader whose cache and batches are the scope's, so that no key of one tenant meets another's. They are found by the scope itself
 * and not by the tenant's id: two requests of one tenant share nothing either, and what a request has read goes when it ends. A transaction
 * has its own: what it reads may never be kept, and its statements can't wait for its end.
 */
export function createScopedLoader<K, V>(loadBatch: BatchLoad<K, V>, options: LoaderOptions = {}): ScopedLoader<K, V> {
  const { maxBatchSize = Number.POSITIVE_INFINITY } = options;
  if (!(maxBatchSize >= 1)) throw new ConfigurationError('A loader’s maxBatchSize must be at least 1.');
  const places = new WeakMap<Scope | AmbientTransaction, Loaded<K, V>>();

  const loadedIn = (scope: Scope): Loaded<K, V> => {
    const place = ambientTransaction(scope) ?? scope;
    let loaded = places.get(place);
    if (loaded === undefined) {
      loaded = { values: new Map(), waiting: [] };
      places.set(place, loaded);
    }
    return loaded;
  };
  const send = (loaded: Loaded<K, V>): void => {
    const all = loaded.waiting;
    loaded.waiting = [];
    for (let from = 0; from < all.length; from += maxBatchSize) void settle(all.slice(from, from + maxBatchSize), loadBatch);
  };

  return Object.freeze({
    async load(key: K): Promise<V> {
      const loaded = loadedIn(openScope());
      const known = loaded.values.get(key);
      if (known !== undefined) return await known;
      const value = new Promise<V>((resolve, reject) => {
        // Whoever asks first has the batch sent, in its own scope, once all that runs now has asked.
        if (loaded.waiting.length === 0) setImmediate(send, loaded);
        loaded.waiting.push({ key, resolve, reject });
      });
      loaded.values.set(key, value);
      value.catch(() => {
        if (loaded.values.get(key) === value) loaded.values.delete(key);
      });
      return await value;
    },
    clear(key: K): void {
      loadedIn(openScope()).values.delete(key);
    },
  });
}

/** @throws {NoTenantError} */
function openScope(): Scope {
  const scope = requireScope('A loader was asked');
  if (!scope.over) return scope;
  throw new NoTenantError(`A loader was asked after the scope of tenant "${scope.tenant.id}" had ended.`, {
    tenantId: scope.tenant.id,
    hint: 'Await everything inside the callback of tenancy.run.',
  });
}

async function settle<K, V>(batch: readonly Waiting<K, V>[], loadBatch: BatchLoad<K, V>): Promise<void> {
  try {
    openScope();
    const values = await loadBatch(batch.map(({ key }) => key));
    if (!Array.isArray(values) || values.length !== batch.length) {
      throw new ConfigurationError(`A loader's callback got ${batch.length} keys and did not answer as many values.`, {
        hint: 'Answer one value for each key, in the order of the keys; null or undefined for those that there are not.',
      });
    }
    for (const [index, { resolve }] of batch.entries()) resolve(values[index] as V);
  } catch (error) {
    for (const { reject } of batch) reject(error);
  }
}
