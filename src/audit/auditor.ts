import { AuditUnavailableError } from '../errors.ts';
import { type AuditEntry, type AuditEvent, auditEvent } from './audit-event.ts';
import type { AuditSink } from './audit-sink.ts';

/** Writes every entry to all sinks; resolved means that each of them kept it. */
export class Auditor {
  readonly #sinks: readonly AuditSink[];
  readonly #onRefusal: ((event: AuditEvent) => void) | undefined;

  /** @param onRefusal hears of every refusal, also of one that no sink could keep */
  constructor(sinks: readonly AuditSink[], onRefusal?: (event: AuditEvent) => void) {
    this.#sinks = Object.freeze([...sinks]);
    this.#onRefusal = onRefusal;
  }

  /**
   * Records one entry and waits until it is kept.
   *
   * @returns the entry's id
   * @throws {AuditUnavailableError} when a sink can't keep it; work that must be recorded first is then not done
   */
  async record(entry: AuditEntry): Promise<string> {
    const event = auditEvent(entry);
    if (event.outcome === 'refused') this.#onRefusal?.(event);
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
