import type { AuditEvent } from './audit-event.ts';
import type { AuditWriter } from './audit-writer.ts';

/**
 * Where audit entries are kept, beside the catalog's audit log. Each sink has a queue of its own, so that a slow or failing one holds up
 * nobody else's entries; but a refusal waits for every required sink, and cross-tenant work does not begin before they have kept its
 * entry (docs/audit.md, "Sinks").
 */
export interface AuditSink {
  /** Names the sink to whoever reads a log of its failures. */
  readonly name: string;
  /** Whether an entry counts as kept only once this sink kept it; true unless told. Nobody waits for a sink that is not required. */
  readonly required?: boolean | undefined;
  /**
   * Whether an entry that could not be kept for now is offered again, before any later one, until it is; false unless told. Its reporter
   * hears of the first failure all the same. For stores in which a chain must have no gap; `write` must be idempotent by the entries' ids.
   */
  readonly redeliver?: boolean | undefined;
  /** Called before the first entry of a chain, with what its entries can be checked by. */
  begin?(writer: AuditWriter): void;
  /**
   * Stores the entries, in order, durably: resolved means kept. It is not called again before it has settled or its time is up.
   *
   * @param events frozen; one or more, oldest first
   * @throws whatever the store throws; a {@link TenancyError} that is `retryable` says that the store is away, any other that it refused
   */
  write(events: readonly AuditEvent[]): Promise<void>;
  /** Releases what the sink holds; `tenancy.close` calls it. */
  close(): Promise<void>;
}
