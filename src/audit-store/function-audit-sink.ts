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
  /** The name that it was given. */
  readonly name: string;
  readonly #keep: (events: readonly AuditEvent[]) => void | Promise<void>;

  /** @param keep resolves when the entries are kept, and throws or rejects when they are not */
  constructor(name: string, keep: (events: readonly AuditEvent[]) => void | Promise<void>) {
    this.name = name;
    this.#keep = keep;
  }

  /** Resolves when the function has; rejects with what it throws. */
  async write(events: readonly AuditEvent[]): Promise<void> {
    await this.#keep(events);
  }

  /** Does nothing: what the function writes to is its owner's to close. */
  async close(): Promise<void> {}
}
