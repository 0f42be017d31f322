import { setTimeout } from 'node:timers/promises';
import postgres, { type Sql } from 'postgres';
import { CatalogError, ClosedError, ConfigurationError } from '../errors.ts';
import { sqlFiles } from '../sql/sql-files.ts';
import { inTransaction } from '../sql/transaction.ts';
import { CatalogConnection } from './catalog-connection.ts';
import { catalogFailure } from './catalog-failure.ts';
import type { CatalogAttempt, CatalogSession } from './catalog-session.ts';

export interface CatalogClientOptions {
  /** `postgres://login:password@host:port/database`, reached directly: LISTEN does not pass a pooler in transaction mode. */
  readonly url: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string | undefined;
  /** Connections; 2 unless told, at most 4: the catalog answers single-row reads, most of them from the cache. */
  readonly maxConnections?: number | undefined;
  /** How long one statement may take, in milliseconds; 10,000 unless told. */
  readonly statementTimeoutMs?: number | undefined;
  /** How long the server may say nothing while something is asked of it, in milliseconds; 15,000 more than one statement unless told. */
  readonly patienceMs?: number | undefined;
}

/** The connection to the catalog: a small pool, and driver errors turned into {@link CatalogError}. */
export class CatalogClient implements CatalogSession, AsyncDisposable {
  readonly #options: CatalogClientOptions;
  /** Those that can be used; made when there is work for them. */
  readonly #connections = new Set<CatalogConnection>();
  /** How many in a row could not be made. */
  #failures = 0;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  private constructor(options: CatalogClientOptions) {
    this.#options = Object.freeze({ ...options });
  }

  /**
   * Opens the catalog and checks that it is installed and not older than this release.
   *
   * @throws {ConfigurationError} when the URL is none
   * @throws {CatalogError} when the server can't be reached, or holds no catalog, or one that is too old
   * @example
   * ```ts
   * await using catalog = await CatalogClient.open({ url: process.env.TENANCY_CATALOG_URL });
   * ```
   */
  static async open(options: CatalogClientOptions): Promise<CatalogClient> {
    if (!URL.canParse(options.url) || !/^postgres(ql)?:$/.test(new URL(options.url).protocol)) {
      throw new ConfigurationError('The catalog URL is not a PostgreSQL URL.', {
        hint: 'Write postgres://login:password@host:port/database.',
      });
    }
    const client = new CatalogClient(options);
    try {
      await client.#requireInstalled();
    } catch (error) {
      await client.close();
      throw error;
    }
    return client;
  }

  async query<T>(attempt: CatalogAttempt, run: (sql: Sql) => PromiseLike<T>): Promise<T> {
    this.#requireOpen(attempt);
    const running = this.#connection().run(run);
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw catalogFailure(attempt, error);
    } finally {
      this.#running.delete(running);
    }
  }

  /**
   * Runs a callback in one transaction on a connection of its own; it is kept whole or not at all. When the connection dies, the
   * driver would carry on with the callback outside any transaction, or fail where nobody can catch it: here it is refused.
   */
  async transaction<T>(attempt: CatalogAttempt, callback: (session: CatalogSession) => Promise<T>): Promise<T> {
    this.#requireOpen(attempt);
    const sql = postgres(this.#options.url, { ...driverOptions(this.#options), max: 1 });
    try {
      return await inTransaction(
        sql,
        async (transaction) =>
          await callback({
            async query(inner, run) {
              try {
                return await run(transaction as unknown as Sql);
              } catch (error) {
                throw catalogFailure(inner, error);
              }
            },
          }),
      );
    } catch (error) {
      throw catalogFailure(attempt, error);
    } finally {
      await sql.end({ timeout: 0 });
    }
  }

  /** Waits for what is under way, five seconds at most, and ends the connections. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const deadline = new AbortController();
    await Promise.race([Promise.allSettled(this.#running), setTimeout(5_000, undefined, { signal: deadline.signal }).catch(() => {})]);
    deadline.abort();
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** An idle one, else a new one, else the one with the least to do. */
  #connection(): CatalogConnection {
    const [least] = [...this.#connections].sort((a, b) => a.running - b.running);
    if (least !== undefined && (least.running === 0 || this.#connections.size >= maxConnections(this.#options))) return least;
    const connection = new CatalogConnection({
      url: this.#options.url,
      driver: driverOptions(this.#options),
      afterMs: this.#failures === 0 ? 0 : Math.min(10 * 2 ** this.#failures, 500),
      patienceMs: this.#options.patienceMs ?? statementTimeoutMs(this.#options) + 15_000,
      onLost: (connected) => {
        this.#connections.delete(connection);
        this.#failures = connected ? 0 : this.#failures + 1;
      },
    });
    this.#connections.add(connection);
    return connection;
  }

  #requireOpen(attempt: CatalogAttempt): void {
    if (this.#closed) throw new ClosedError(`The catalog was asked for after close, ${attempt.doing}.`, { tenantId: attempt.tenantId });
  }

  async #requireInstalled(): Promise<void> {
    const applied = await this.query({ doing: 'opening it' }, (sql) => sql<{ name: string }[]>`select name from tenancy.schema_migrations`);
    const names = new Set(applied.map((row) => row.name));
    // A newer catalog is fine: it is brought forward first, the services follow.
    const missing = sqlFiles('catalog').filter((file) => !names.has(file.name));
    if (missing.length === 0) return;
    throw new CatalogError(`The catalog is older than this release: it lacks ${missing.map((file) => file.name).join(', ')}.`, {
      hint: 'Run `tenancy init`.',
    });
  }
}

function maxConnections({ maxConnections: asked = 2 }: CatalogClientOptions): number {
  return Math.min(Math.max(asked, 1), 4);
}

function statementTimeoutMs(options: CatalogClientOptions): number {
  return options.statementTimeoutMs ?? 10_000;
}

function driverOptions(options: CatalogClientOptions) {
  return {
    fetch_types: false,
    connect_timeout: 10,
    onnotice: () => {},
    connection: { application_name: options.applicationName ?? 'tenancy-catalog', statement_timeout: statementTimeoutMs(options) },
  } as const;
}
