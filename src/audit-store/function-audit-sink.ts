import type { AuditEvent } from '../audit/audit-event.ts';
import type { AuditSink } from '../audit/audit-sink.ts';

/**
 * Hands audit entries to a function: a queue's client, a collector, a test's array. What it throws counts as not kept.
 *
 * @example
 * ```ts
 * const sink = new FunctionAuditSink('siem', async (events) => { await siem.send(events); });
 * ```
 */
export class FunctionAuditSink implements AuditSink {
  readonly name: string;
  readonly #keep: (events: readonly AuditEvent[]) => void | Promise<void>;

  constructor(name: string, keep: (events: readonly AuditEvent[]) => void | Promise<void>) {
    this.name = name;
    this.#keep = keep;
  }

  async write(events: readonly AuditEvent[]): Promise<void> {
    await this.#keep(events);
  }

  async close(): Promise<void> {}
}
