import type { AuditEvent } from '../audit/audit-event.ts';
import type { AuditSink } from '../audit/audit-sink.ts';
import { type AuditWriter, storableWriter } from '../audit/audit-writer.ts';
import { storableEvent } from '../audit/storable-event.ts';
import { failureCode } from '../catalog/catalog-failure.ts';
import type { CatalogSession } from '../catalog/catalog-session.ts';
import { CatalogError, ClosedError } from '../errors.ts';

export interface PostgresAuditSinkOptions {
  readonly session: CatalogSession;
}

/** Keeps audit entries in the catalog through `tenancy.append_audit`, the only way in for a service's login; each write is one insert. */
export class PostgresAuditSink implements AuditSink {
  readonly name = 'postgres';
  readonly redeliver = true;
  readonly #session: CatalogSession;
  /** Writers whose key the catalog does not have yet. */
  readonly #unregistered = new Map<string, AuditWriter>();
  #closed = false;

  constructor(options: PostgresAuditSinkOptions) {
    this.#session = options.session;
  }

  begin(writer: AuditWriter): void {
    this.#unregistered.set(writer.id, writer);
  }

  /**
   * Tried again once when the connection broke: the ids make an entry that had arrived after all stay single.
   *
   * @throws {ClosedError} after close
   * @throws {CatalogError} when the catalog did not keep the entries; not `retryable` when it refuses what they hold
   */
  async write(events: readonly AuditEvent[]): Promise<void> {
    if (this.#closed) throw new ClosedError('An audit entry was given to the sink after close.');
    try {
      await this.#append(events);
    } catch (error) {
      if (!(error instanceof CatalogError && error.retryable)) throw error;
      await this.#append(events);
    }
  }

  /** The session is its owner's to close. */
  async close(): Promise<void> {
    this.#closed = true;
  }

  async #append(events: readonly AuditEvent[]): Promise<void> {
    // A key is there before the first entry that is checked by it.
    for (const [id, writer] of this.#unregistered) {
      const row = storableWriter(writer);
      try {
        await this.#call(`registering the audit writer ${id}`, (sql) => sql`select tenancy.register_audit_writer(${sql.json({ ...row })})`);
      } catch (error) {
        // Refused for ever, it must not keep entries out: whoever verifies them finds the key amiss.
        if (!(error instanceof CatalogError) || error.retryable) throw error;
      }
      this.#unregistered.delete(id);
    }
    const rows = events.map(storableEvent);
    await this.#call(
      `keeping ${events.length} audit ${events.length === 1 ? 'entry' : 'entries'}`,
      (sql) => sql`select tenancy.append_audit(${sql.json(rows as never)})`,
    );
  }

  /** A catalog that refuses the values will always do so; whatever else is wrong with it may pass. */
  async #call(doing: string, run: Parameters<CatalogSession['query']>[1]): Promise<void> {
    let code: string | undefined;
    try {
      await this.#session.query({ doing }, async (sql) => {
        try {
          await run(sql);
        } catch (error) {
          code = failureCode(error);
          throw error;
        }
      });
    } catch (error) {
      if (!(error instanceof CatalogError) || error.retryable || /^2[23]/.test(code ?? '')) throw error;
      throw new CatalogError(`The audit log did not take an entry (${code ?? 'no code'}).`, {
        cause: error,
        retryable: true,
        hint: error.hint,
      });
    }
  }
}
