import { AuditUnavailableError } from '../errors.ts';
import type { AnchorSink } from './anchor-sink.ts';
import { Anchoring } from './anchoring.ts';
import type { AuditChain } from './audit-chain.ts';
import { type AuditEntry, type AuditEvent, auditEvent } from './audit-event.ts';
import type { AuditSink } from './audit-sink.ts';
import { RepeatFolder } from './repeat-folder.ts';
import { SinkFeed } from './sink-feed.ts';

export interface AuditorOptions {
  /** Opens the chain that every entry is linked into; asked when the first entry comes, and again after a failure. Without it none is. */
  readonly openChain?: (() => Promise<AuditChain>) | undefined;
  /** Where the chain's head is anchored. */
  readonly anchors?: readonly AnchorSink[] | undefined;
  /** How often, in milliseconds; 5,000 unless told. */
  readonly anchorEveryMs?: number | undefined;
  /** How many entries may wait for a sink; 10,000 unless told. When one more comes, it waits for room. */
  readonly maxQueue?: number | undefined;
  /** How long a sink may take for one write, and an entry wait for room, in milliseconds; 10,000 unless told. */
  readonly timeoutMs?: number | undefined;
  /** How long refusals that repeat are gathered into one entry, in milliseconds; 250 unless told, 0 for not at all. */
  readonly foldMs?: number | undefined;
  /** Hears of failures that nobody waits for: of sinks that are not required, and of anchors. */
  readonly onSinkError?: ((error: unknown, sink: string) => void) | undefined;
  /** Hears of every refusal, also of one that no sink could keep. */
  readonly onRefusal?: ((entry: AuditEntry) => void) | undefined;
}

const maxBatch = 500;
const maxFoldedKeys = 1_000;

/** Writes every entry to all sinks; resolved means that each required one kept it. */
export class Auditor {
  readonly #feeds: readonly SinkFeed[];
  readonly #options: AuditorOptions;
  readonly #timeoutMs: number;
  readonly #folder: RepeatFolder | undefined;
  readonly #anchoring: Anchoring | undefined;
  #chain: Promise<AuditChain | undefined> | undefined;
  #closed: Promise<void> | undefined;

  constructor(sinks: readonly AuditSink[], options: AuditorOptions = {}) {
    this.#options = Object.freeze({ ...options });
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    const feed = { maxQueue: Math.max(options.maxQueue ?? 10_000, 1), maxBatch, timeoutMs: this.#timeoutMs };
    this.#feeds = Object.freeze(sinks.map((sink) => new SinkFeed(sink, feed)));
    const windowMs = options.foldMs ?? 250;
    if (windowMs > 0) {
      this.#folder = new RepeatFolder({ windowMs, maxKeys: maxFoldedKeys, keep: async (event) => await this.#keep(event) });
    }
    if (options.anchors !== undefined && options.anchors.length > 0) {
      this.#anchoring = new Anchoring({
        sinks: options.anchors,
        everyMs: options.anchorEveryMs ?? 5_000,
        onError: (error, name) => this.#options.onSinkError?.(error, name),
      });
    }
  }

  /**
   * Records one entry and waits until it is kept. A refusal like one of a moment ago is folded into an entry that stands for several.
   *
   * @returns the entry's id
   * @throws {AuditUnavailableError} when a required sink can't keep it; work that must be recorded first is then not done
   */
  async record(entry: AuditEntry): Promise<string> {
    if (entry.outcome === 'refused') this.#options.onRefusal?.(entry);
    if (entry.outcome === 'refused' && entry.id === undefined) {
      const folded = this.#folder?.fold(entry);
      if (folded !== undefined) return await folded;
    }
    return await this.#keep(auditEvent(entry));
  }

  /** Opens the chain ahead of the first entry, so that an outage then finds it open. What goes wrong is tried again with that entry. */
  prepare(): void {
    this.#openChain().catch(() => {});
  }

  /** Delivers what waits, anchors the head and closes every sink. Safe to call twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #keep(event: AuditEvent): Promise<string> {
    let linked: AuditEvent | undefined;
    try {
      const chain = await this.#openChain();
      await this.#room();
      // From here to the feeds nothing is awaited: the sinks see entries in the order of their links.
      linked = chain?.append(event) ?? event;
      await this.#deliver(linked);
    } catch (cause) {
      if (linked !== undefined && event.outcome === 'allowed') this.#takeBack(event);
      throw unavailable(event, cause);
    }
    if (linked.link !== undefined) this.#anchoring?.advance(linked.link);
    return event.id;
  }

  async #deliver(event: AuditEvent): Promise<void> {
    const kept = this.#feeds.map(async (feed) => {
      try {
        if (!feed.required && feed.full) throw new Error(`The audit sink ${feed.sink.name} lags behind; an entry was not given to it.`);
        await feed.add(event);
      } catch (error) {
        if (feed.required) throw error;
        this.#options.onSinkError?.(error, feed.sink.name);
      }
    });
    await Promise.all(kept.filter((_, index) => this.#feeds[index]!.required));
  }

  /** Waits until every required sink has room for another entry. */
  async #room(): Promise<void> {
    const deadline = performance.now() + this.#timeoutMs;
    for (;;) {
      const full = this.#feeds.find((feed) => feed.required && feed.full);
      if (full === undefined) return;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`The queue of the audit sink ${full.sink.name} is full.`);
      await full.room(left);
    }
  }

  /** The entry may yet arrive, but what it allows is not done. */
  #takeBack({ action, tenantId, targetTenantId, actor, reason, requestId, id }: AuditEvent): void {
    const entry = {
      action,
      tenantId,
      targetTenantId,
      actor,
      reason,
      requestId,
      outcome: 'failed',
      errorCode: 'AUDIT_UNAVAILABLE',
    } as const;
    this.#keep(auditEvent({ ...entry, detail: { grant: id } })).catch(() => {});
  }

  #openChain(): Promise<AuditChain | undefined> {
    if (this.#chain === undefined) {
      const opening = this.#begin();
      this.#chain = opening;
      opening.catch(() => {
        this.#chain = undefined;
      });
    }
    return this.#chain;
  }

  async #begin(): Promise<AuditChain | undefined> {
    const chain = await this.#options.openChain?.();
    if (chain !== undefined) for (const { sink } of this.#feeds) sink.begin?.(chain.writer);
    return chain;
  }

  async #close(): Promise<void> {
    await this.#chain?.catch(() => {});
    await this.#folder?.flush();
    await Promise.all(this.#feeds.map(async (feed) => await feed.close()));
    await this.#anchoring?.close();
    // The chain has ended, and its key goes: whoever keeps a closed service keeps no keys.
    this.#chain = Promise.resolve(undefined);
  }
}

function unavailable(event: AuditEvent, cause: unknown): AuditUnavailableError {
  return new AuditUnavailableError(`The audit entry ${event.id} (${event.action}, ${event.outcome}) could not be kept.`, {
    tenantId: event.tenantId,
    cause,
    retryable: true,
    hint:
      event.outcome === 'completed' || event.outcome === 'failed'
        ? 'The work that it closes has ended; look at the audit store.'
        : 'The work that it records was not done; look at the audit store.',
  });
}
