import type { AuditEvent } from '../audit/audit-event.ts';
import type { AuditSink } from '../audit/audit-sink.ts';
import { storableEvent } from '../audit/storable-event.ts';

/** The one method of a stream that {@link StdoutAuditSink} needs; `process.stdout` and every `stream.Writable` has it. */
export interface LineStream {
  /** @param callback called when the text was passed on, with the error when it was not */
  write(text: string, callback: (error?: Error | null) => void): unknown;
}

/**
 * Writes audit entries as lines of JSON to a stream, for platforms that collect their logs from there. Each has `type: 'tenancy.audit'`
 * and the columns of `tenancy.audit_log`.
 *
 * @example
 * ```ts
 * const sink = new StdoutAuditSink(process.stdout);
 * ```
 */
export class StdoutAuditSink implements AuditSink {
  /** `stdout`, whichever stream it writes to. */
  readonly name = 'stdout';
  readonly #stream: LineStream;

  /** @param stream where to write; `process.stdout` unless told */
  constructor(stream: LineStream = process.stdout) {
    this.#stream = stream;
  }

  /** Resolves when the stream has passed the lines on. */
  async write(events: readonly AuditEvent[]): Promise<void> {
    const lines = events.map((event) => `${JSON.stringify({ type: 'tenancy.audit', ...storableEvent(event) })}\n`).join('');
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(lines, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /** The stream is its owner's to close. */
  async close(): Promise<void> {}
}
