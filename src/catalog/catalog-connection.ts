import { setTimeout as sleep } from 'node:timers/promises';
import postgres, { type Options, type PostgresType, type ReservedSql, type Sql } from 'postgres';
import { guardedSql } from '../sql/guarded-sql.ts';
import { isConnectionFailure } from './catalog-failure.ts';

export interface CatalogConnectionOptions {
  readonly url: string;
  readonly driver: Options<Record<string, PostgresType>>;
  /** How long to wait before connecting, in milliseconds. */
  readonly afterMs: number;
  /** How long the server may say nothing while something is asked of it, in milliseconds. */
  readonly patienceMs: number;
  /** Called once, when it can no longer be used; with whether it ever could. */
  readonly onLost: (connected: boolean) => void;
}

/** Under the code that the driver has for it, or a socket. */
class ConnectionLost extends Error {
  constructor(readonly code: 'CONNECTION_CLOSED' | 'ETIMEDOUT') {
    super('The connection to the catalog ended before the answer.');
  }
}

/**
 * One connection, made once. The driver's own pool makes a lost one anew and keeps the queries that it was given between the socket's error
 * and its close: it neither sends nor rejects them, and on the next connection takes the answers of others for theirs. Here everything that
 * runs when the connection ends is rejected, and nothing runs on it afterwards.
 */
export class CatalogConnection {
  readonly #options: CatalogConnectionOptions;
  readonly #client: Sql;
  readonly #ready: Promise<ReservedSql>;
  readonly #died: Promise<never>;
  #die!: (reason: Error) => void;
  #lost: Error | undefined;
  #connected = false;
  #running = 0;
  #heardAt = 0;
  #watch: NodeJS.Timeout | undefined;

  constructor(options: CatalogConnectionOptions) {
    this.#options = options;
    this.#died = new Promise((_, reject) => {
      this.#die = reject;
    });
    this.#died.catch(() => {});
    this.#client = postgres(options.url, {
      ...options.driver,
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      onclose: () => this.#lose(new ConnectionLost('CONNECTION_CLOSED')),
    } as Options<Record<string, PostgresType>>);
    this.#ready = this.#open();
    this.#ready.catch((error: Error) => this.#lose(error));
  }

  get lost(): boolean {
    return this.#lost !== undefined;
  }

  /** How many are at work on it. */
  get running(): number {
    return this.#running;
  }

  async run<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    if (this.#running++ === 0) this.#listen();
    try {
      return await Promise.race([this.#ready.then(() => this.#begun(work)), this.#died]);
    } catch (error) {
      // The close comes after this: whoever asks in between gets another connection.
      if (isConnectionFailure(error)) this.#lose(error as Error);
      throw error;
    } finally {
      this.#heardAt = performance.now();
      if (--this.#running === 0) clearTimeout(this.#watch);
    }
  }

  async close(): Promise<void> {
    this.#lose(new ConnectionLost('CONNECTION_CLOSED'));
    await this.#client.end({ timeout: 0 });
  }

  /** The first statement goes to the pool, which then has its only connection open to be reserved: what is queued there could be sent again. */
  async #open(): Promise<ReservedSql> {
    if (this.#options.afterMs > 0) await sleep(this.#options.afterMs);
    this.#requireConnection();
    await this.#client.unsafe('select');
    const sql = await this.#client.reserve();
    this.#connected = true;
    return sql;
  }

  async #begun<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    const sql = guardedSql(await this.#ready, () => {
      this.#requireConnection();
      this.#heardAt = performance.now();
    });
    return await work(sql);
  }

  #requireConnection(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** Whoever waits is told when nothing comes: a peer that has vanished closes no connection. */
  #listen(): void {
    this.#heardAt = performance.now();
    const look = (): void => {
      const left = this.#heardAt + this.#options.patienceMs - performance.now();
      if (left <= 0) this.#lose(new ConnectionLost('ETIMEDOUT'));
      else this.#watch = setTimeout(look, left);
    };
    look();
  }

  #lose(reason: Error): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    clearTimeout(this.#watch);
    this.#die(reason);
    this.#client.end({ timeout: 0 }).catch(() => {});
    this.#options.onLost(this.#connected);
  }
}
