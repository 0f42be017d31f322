import { AuditUnavailableError } from '../errors.ts';
import { type AuditEntry, auditEvent } from './audit-event.ts';
import type { AuditSink } from './audit-sink.ts';

/** Writes every entry to all sinks; resolved means that each of them kept it. */
export class Auditor {
  readonly #sinks: readonly AuditSink[];

  constructor(sinks: readonly AuditSink[]) {
    this.#sinks = Object.freeze([...sinks]);
  }

  /**
   * Records one entry and waits until it is kept.
   *
   * @returns the entry's id
   * @throws {AuditUnavailableError} when a sink can't keep it; work that must be recorded first is then not done
   */
  async record(entry: AuditEntry): Promise<string> {
    const event = auditEvent(entry);
    try {
      await Promise.all(this.#sinks.map((sink) => sink.write([event])));
    } catch (cause) {
      throw new AuditUnavailableError(`The audit entry ${event.id} (${event.action}, ${event.outcome}) could not be kept.`, {
        tenantId: event.tenantId,
        cause,
        retryable: true,
        hint: 'The work that it records was not done; look at the audit store.',
      });
    }
    return event.id;
  }

  async close(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.close()));
  }
}
