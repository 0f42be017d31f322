import type { AuditEvent } from './audit-event.ts';

/** Where audit entries are kept. */
export interface AuditSink {
  readonly name: string;
  /**
   * Stores the entries, in order, durably: resolved means kept.
   *
   * @throws whatever the store throws; the caller decides whether work may go on
   */
  write(events: readonly AuditEvent[]): Promise<void>;
  /** Releases what the sink holds. */
  close(): Promise<void>;
}
