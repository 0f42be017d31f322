import type { AuditEvent } from './audit-event.ts';

/**
 * Where audit entries are kept, beside the catalog's audit log. A refusal waits for every sink, and cross-tenant work does not begin before
 * they have kept its entry: a slow sink is a slow service.
 */
export interface AuditSink {
  /** Names the sink to whoever reads a log of its failures. */
  readonly name: string;
  /**
   * Stores the entries, in order, durably: resolved means kept.
   *
   * @param events frozen; one or more, oldest first
   * @throws whatever the store throws; the caller decides whether work may go on
   */
  write(events: readonly AuditEvent[]): Promise<void>;
  /** Releases what the sink holds; `tenancy.close` calls it. */
  close(): Promise<void>;
}
