import type { AuditEvent } from '../audit/audit-event.ts';
import type { AuditSink } from '../audit/audit-sink.ts';
import type { CatalogSession } from '../catalog/catalog-session.ts';
import { CatalogError, ClosedError } from '../errors.ts';
import { storableEvent } from './storable-event.ts';

export interface PostgresAuditSinkOptions {
  readonly session: CatalogSession;
  /** How many entries travel in one insert at most; 500 unless told. */
  readonly maxBatch?: number | undefined;
}

interface Waiting {
  readonly events: readonly AuditEvent[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Keeps audit entries in the catalog through `tenancy.append_audit`, the only way in for a service's login. Entries of the same tick
 * travel in one insert, and those that come while it is under way in the next: order is kept and a burst costs few round trips.
 */
export class PostgresAuditSink implements AuditSink {
  readonly name = 'postgres';
  readonly #session: CatalogSession;
  readonly #maxBatch: number;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #closed = false;

  constructor(options: PostgresAuditSinkOptions) {
    this.#session = options.session;
    this.#maxBatch = Math.max(options.maxBatch ?? 500, 1);
  }

  /**
   * @throws {ClosedError} after close
   * @throws {CatalogError} when the catalog did not keep the entries, also on a second try
   */
  write(events: readonly AuditEvent[]): Promise<void> {
    if (this.#closed) return Promise.reject(new ClosedError('An audit entry was given to the sink after close.'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ events, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** Waits for what is under way; the session is its owner's to close. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#flushing;
  }

  async #flush(): Promise<void> {
    // One turn of the microtask queue: whoever records in the same tick joins.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      try {
        await this.#append(batch.flatMap((waiting) => waiting.events));
        for (const waiting of batch) waiting.resolve();
      } catch (error) {
        await this.#appendOneByOne(batch, error);
      }
    }
    // In the same step as the last look at the queue: a write in between would wait for nobody.
    this.#flushing = undefined;
  }

  #takeBatch(): Waiting[] {
    let size = 0;
    const end = this.#waiting.findIndex((waiting, index) => {
      size += waiting.events.length;
      return index > 0 && size > this.#maxBatch;
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  /** An entry that the catalog refuses must not take down those that shared its insert. */
  async #appendOneByOne(batch: readonly Waiting[], error: unknown): Promise<void> {
    for (const waiting of batch) {
      if (batch.length === 1 || isRetryable(error)) {
        waiting.reject(error);
        continue;
      }
      await this.#append(waiting.events).then(waiting.resolve, waiting.reject);
    }
  }

  /** Tried again once when the connection broke: the ids make an entry that had arrived after all stay single. */
  async #append(events: readonly AuditEvent[]): Promise<void> {
    try {
      await this.#send(events);
    } catch (error) {
      if (!isRetryable(error)) throw error;
      await this.#send(events);
    }
  }

  async #send(events: readonly AuditEvent[]): Promise<void> {
    await this.#session.query(
      { doing: `keeping ${events.length} audit ${events.length === 1 ? 'entry' : 'entries'}` },
      (sql) => sql`
      select tenancy.append_audit(${sql.json(events.map(storableEvent) as never)})`,
    );
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof CatalogError && error.retryable;
}
