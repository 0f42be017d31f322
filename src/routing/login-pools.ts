import type { Cluster } from '../catalog/cluster.ts';
import type { CredentialsProvider, DatabaseCredentials } from '../connection/credentials.ts';
import { ClosedError } from '../errors.ts';
import { LoginPool, type LoginPoolParts } from './login-pool.ts';

export interface LoginPoolsOptions extends LoginPoolParts {
  readonly credentials: CredentialsProvider;
  /** How long a pool may lie idle before its lanes are closed, in milliseconds. */
  readonly idleMs: number;
}

interface Slot {
  readonly pool: LoginPool;
  readonly user: string;
  readonly generation: number;
}

/** The pools of one process, one per database; a login that changed gets a new one. */
export class LoginPools {
  readonly #options: LoginPoolsOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #replaced = new Set<LoginPool>();
  readonly #acquiring = new Map<string, Promise<Slot>>();
  readonly #sweep: NodeJS.Timeout;
  #generation = 0;
  #closed = false;

  constructor(options: LoginPoolsOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.closeIdle(), Math.max(options.idleMs / 2, 1_000));
    this.#sweep.unref();
  }

  /**
   * The pool of a database and the login that it uses.
   *
   * @throws {LoginRefusedError} when the login could step over row-level security
   */
  async pool(cluster: Cluster, database: string): Promise<{ readonly pool: LoginPool; readonly user: string }> {
    if (this.#closed) throw closed(cluster.id, database);
    // All of the cluster is in the key: after a change of its address, tenants that still have the old record don't take turns with the others.
    const key = JSON.stringify([cluster, database]);
    let acquiring = this.#acquiring.get(key);
    if (acquiring === undefined) {
      acquiring = this.#acquire(key, cluster, database).finally(() => {
        if (this.#acquiring.get(key) === acquiring) this.#acquiring.delete(key);
      });
      this.#acquiring.set(key, acquiring);
    }
    return await acquiring;
  }

  /** Credentials may have changed: they are asked for again by the next route. */
  recheck(): void {
    this.#generation++;
    this.#acquiring.clear();
  }

  /** Closes the lanes of pools that lay idle. */
  closeIdle(): void {
    for (const { pool } of this.#slots.values()) pool.closeIdle(this.#options.idleMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweep);
    await Promise.allSettled(this.#acquiring.values());
    await Promise.all([...this.#replaced, ...[...this.#slots.values()].map(({ pool }) => pool)].map((pool) => pool.close()));
    this.#slots.clear();
    this.#replaced.clear();
  }

  async #acquire(key: string, cluster: Cluster, database: string): Promise<Slot> {
    const generation = this.#generation;
    const known = this.#slots.get(key);
    if (known !== undefined && known.generation === generation) {
      await known.pool.ready();
      return known;
    }
    const credentials = await this.#options.credentials({ clusterId: cluster.id, database });
    const slot = this.#slot(key, { cluster, database, credentials }, generation);
    await slot.pool.ready();
    return slot;
  }

  #slot(
    key: string,
    request: { readonly cluster: Cluster; readonly database: string; readonly credentials: DatabaseCredentials },
    generation: number,
  ): Slot {
    if (this.#closed) throw closed(request.cluster.id, request.database);
    const known = this.#slots.get(key);
    // Somebody who asked later has been answered first: theirs are the newer credentials.
    if (known !== undefined && known.generation > generation) return known;
    const keep = known?.pool.uses(request.credentials) === true;
    if (known !== undefined && !keep) this.#replace(known.pool);
    const slot = Object.freeze({
      pool: keep ? known.pool : new LoginPool(request, this.#options),
      user: request.credentials.user,
      generation,
    });
    this.#slots.set(key, slot);
    return slot;
  }

  #replace(pool: LoginPool): void {
    this.#replaced.add(pool);
    pool
      .retire()
      .finally(() => {
        this.#replaced.delete(pool);
      })
      .catch(() => {});
  }
}

function closed(clusterId: string, database: string): ClosedError {
  return new ClosedError(`The database ${clusterId}/${database} was asked for after close.`, {
    hint: 'Close the tenancy when its last query has ended, or open another.',
  });
}
