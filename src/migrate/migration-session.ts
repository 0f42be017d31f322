import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { AbortedError, MigrationError } from '../errors.ts';
import { advisoryLockKey } from '../sql/advisory-lock.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import { migrationsTable } from './migration-source.ts';
import { contextRenewalMs, type MigrationTarget } from './migration-target.ts';

/** How long a session waits for what others hold. */
export interface MigrationTimeouts {
  /** For a lock on a table, in milliseconds; 5,000 unless told. Every query on the table queues behind a waiting ALTER. */
  readonly lockTimeoutMs?: number | undefined;
  /** For one statement, in milliseconds; none unless told. */
  readonly statementTimeoutMs?: number | undefined;
  /** For another migration of the same target, in milliseconds; 60,000 unless told. */
  readonly targetLockTimeoutMs?: number | undefined;
}

/** The owner login's connection to one target: its context, its search_path, its lock. */
export class MigrationSession implements AsyncDisposable {
  readonly #client: pg.Client;
  readonly #target: MigrationTarget;
  readonly #timeouts: MigrationTimeouts;
  #backendPid = 0;
  #signedAt = 0;

  private constructor(target: MigrationTarget, timeouts: MigrationTimeouts) {
    this.#target = target;
    this.#timeouts = timeouts;
    this.#client = new pg.Client({
      connectionString: target.ownerUrl,
      application_name: 'tenancy-migrate',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
    });
    // Without a listener a lost connection ends the process; every later query rejects by itself.
    this.#client.on('error', () => {});
  }

  /**
   * Connects, and gives the session the target's context and search_path.
   *
   * @throws {MigrationError} when the login stands above row-level security, or what answers is a pooler
   */
  static async open(target: MigrationTarget, timeouts: MigrationTimeouts = {}): Promise<MigrationSession> {
    const session = new MigrationSession(target, timeouts);
    try {
      await session.#client.connect();
      await session.#check();
      await session.renew();
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** Whether a transaction is open (or failed and not yet rolled back). */
  get inTransaction(): boolean {
    const status = this.#client.getTransactionStatus();
    return status === 'T' || status === 'E';
  }

  /** Runs one query as it is; values, where there are some, travel as parameters. */
  async query(query: string | pg.QueryConfig, values?: unknown[]): Promise<pg.QueryResult> {
    return this.#client.query(query as string, values);
  }

  /** Renews the context when its token has grown old, unless the transaction has failed and refuses every statement. */
  async renewIfOld(): Promise<void> {
    if (performance.now() - this.#signedAt >= contextRenewalMs && this.#client.getTransactionStatus() !== 'E') await this.renew();
  }

  /** Signs the context anew and puts search_path and timeouts back to what they must be, whatever a migration made of them. */
  async renew(): Promise<void> {
    const { schema } = this.#target;
    const signedAt = performance.now();
    // The token is a bound parameter: statement text can be read in pg_stat_activity by every session of the same login.
    await this.#client.query(
      `select set_config('tenancy.context', $1, false), set_config('search_path', $2, false), set_config('lock_timeout', $3, false),
        set_config('statement_timeout', $4, false), set_config('row_security', 'on', false), set_config('standard_conforming_strings', 'on', false)`,
      [
        this.#target.contextToken(this.#backendPid),
        `${quoteIdentifier(schema)}, "reference", "extensions", pg_temp`,
        String(this.#timeouts.lockTimeoutMs ?? 5_000),
        String(this.#timeouts.statementTimeoutMs ?? 0),
      ],
    );
    this.#signedAt = signedAt;
  }

  /**
   * Waits until no other session migrates this target. It asks again and again instead of waiting inside PostgreSQL: a session that
   * waits there holds a snapshot, and the other's CREATE INDEX CONCURRENTLY would wait for it for ever.
   *
   * @throws {MigrationError} retryable, when the other did not end in time
   * @throws {AbortedError} when `signal` ended the wait
   */
  async lock(signal?: AbortSignal): Promise<void> {
    const until = performance.now() + (this.#timeouts.targetLockTimeoutMs ?? 60_000);
    const key = advisoryLockKey('migrate', this.#target.schema);
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
      const { rows } = await this.#client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [key]);
      if (rows[0]?.locked === true) return;
      if (performance.now() > until) {
        throw new MigrationError(`Another session is still migrating ${this.#target.key}.`, {
          tenantId: this.#target.tenantId,
          retryable: true,
          hint: 'Run again when it has ended.',
        });
      }
      await sleep(pauseMs, undefined, { signal }).catch(() => {
        throw new AbortedError(`Waiting to migrate ${this.#target.key} was aborted.`, { tenantId: this.#target.tenantId });
      });
    }
  }

  /** The names in the target's own ledger, in the order in which they were applied. */
  async applied(): Promise<readonly string[]> {
    const table = `${quoteIdentifier(this.#target.schema)}.${quoteIdentifier(migrationsTable)}`;
    const {
      rows: [found],
    } = await this.#client.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [table]);
    if (found?.exists !== true) return [];
    const { rows } = await this.#client.query<{ name: string }>(`select name from ${table} order by run_on, id`);
    return rows.map(({ name }) => name);
  }

  /** Rolls back what is open and ends the connection, and with it the lock; never throws. */
  async close(): Promise<void> {
    try {
      if (this.inTransaction) await this.#client.query('rollback');
    } catch {
      /* The connection is gone, and the transaction with it. */
    }
    await this.#client.end().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #check(): Promise<void> {
    const {
      rows: [row],
    } = await this.#client.query<{ pid: number; login: string; above: boolean; schema: boolean }>(
      `select pg_backend_pid() as pid, session_user::text as login, r.rolsuper or r.rolbypassrls as above,
        exists (select from pg_namespace where nspname = $1) as schema from pg_roles r where r.rolname = session_user`,
      [this.#target.schema],
    );
    const { key, tenantId, database, schema } = this.#target;
    if (row === undefined || row.above) {
      throw new MigrationError(
        `The login "${row?.login ?? '?'}" would migrate ${key} above row-level security: it is superuser or has BYPASSRLS.`,
        { tenantId, hint: 'Migrate as the owner role.' },
      );
    }
    // A pooler makes up the pid that it sends at start-up.
    if ((this.#client as unknown as { readonly processID: number | null }).processID !== row.pid) {
      throw new MigrationError(`The owner's connection to ${key} goes through a pooler.`, {
        tenantId,
        hint: 'Give the server’s own host and port: the lock and the context belong to a session.',
      });
    }
    if (!row.schema)
      throw new MigrationError(`The schema "${schema}" of ${key} does not exist in database "${database}".`, {
        tenantId,
        hint: 'Provision the tenant first.',
      });
    this.#backendPid = row.pid;
  }
}
