import { appendFile } from 'node:fs/promises';
import type { AuditEvent } from '../audit/audit-event.ts';
import type { AuditSink } from '../audit/audit-sink.ts';
import { storableEvent } from '../audit/storable-event.ts';
import { CatalogError } from '../errors.ts';
import type { SpoolFile } from './spool-file.ts';

/** Whether a failure leaves open that the entries are taken later: all but the catalog's word that it will never take them. */
export function isAway(error: unknown): boolean {
  return !(error instanceof CatalogError) || error.retryable;
}

/** Delivers a spool file to a sink, in order and from where it stopped the last time. The sink keeps an entry that comes twice once. */
export class SpoolReplay {
  readonly #file: SpoolFile;
  readonly #sink: AuditSink;
  readonly #onError: (error: unknown) => void;
  #next = 0;
  #damaged = 0;

  constructor(file: SpoolFile, sink: AuditSink, onError: (error: unknown) => void) {
    this.#file = file;
    this.#sink = sink;
    this.#onError = onError;
  }

  /** Whether every whole line was delivered. */
  get done(): boolean {
    return this.#next >= this.#file.size;
  }

  /** Delivers until the file's end. @throws whatever the sink throws when it is away */
  async run(): Promise<void> {
    while (!this.done) {
      const batch = await this.#file.read(this.#next);
      for (const writer of batch.writers) this.#sink.begin?.(writer);
      if (batch.events.length > 0) await this.#deliver(batch.events);
      this.#damaged += batch.damaged;
      // A line that has no end is the last one.
      this.#next = batch.next === this.#next ? this.#file.size : batch.next;
    }
  }

  /** Removes the file; one that had damaged lines is set aside, for somebody to look at. */
  async end(): Promise<void> {
    if (this.#damaged > 0) {
      this.#onError(new Error(`${this.#damaged} lines of ${this.#file.path} are damaged; it is kept as ${this.#file.path}.damaged.`));
    }
    await this.#file.end(this.#damaged > 0 ? `${this.#file.path}.damaged` : undefined);
  }

  async #deliver(events: readonly AuditEvent[]): Promise<void> {
    try {
      await this.#sink.write(events);
    } catch (error) {
      if (isAway(error)) throw error;
      if (events.length > 1) for (const event of events) await this.#deliver([event]);
      else await this.#setAside(events[0]!, error);
    }
  }

  /** One entry that the catalog refuses for ever, such as one whose id was taken, must not hold up those behind it. */
  async #setAside(event: AuditEvent, error: unknown): Promise<void> {
    await appendFile(`${this.#file.path}.rejected`, `${JSON.stringify(storableEvent(event))}\n`, { mode: 0o600, flush: true });
    this.#onError(error);
  }
}
