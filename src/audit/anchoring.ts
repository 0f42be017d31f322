import type { Anchor, AnchorSink } from './anchor-sink.ts';
import type { ChainLink } from './chain-link.ts';

export interface AnchoringOptions {
  readonly sinks: readonly AnchorSink[];
  readonly everyMs: number;
  readonly onError: (error: unknown, sink: string) => void;
}

/** Anchors a chain's head every few seconds while it grows, and at the end. Nobody waits for it: an anchor that fails is tried again. */
export class Anchoring {
  readonly #options: AnchoringOptions;
  readonly #done = new Map<AnchorSink, number>();
  #head: ChainLink | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: AnchoringOptions) {
    this.#options = options;
  }

  /** The entry of this link is kept. Links may come out of order: every sink's answer is awaited by itself. */
  advance(link: ChainLink): void {
    if (this.#head !== undefined && link.seq <= this.#head.seq) return;
    this.#head = link;
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#write();
    }, this.#options.everyMs);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
    await Promise.all(this.#options.sinks.map(async (sink) => await sink.close()));
  }

  async #write(): Promise<void> {
    const head = this.#head;
    if (head === undefined) return;
    const anchor: Anchor = Object.freeze({ writer: head.writer, seq: head.seq, mac: head.mac, at: new Date() });
    await Promise.all(
      this.#options.sinks.map(async (sink) => {
        if (this.#done.get(sink) === head.seq) return;
        try {
          await sink.write(anchor);
          this.#done.set(sink, head.seq);
        } catch (error) {
          this.#options.onError(error, sink.name);
        }
      }),
    );
    // A sink that failed is tried again, also if no entry comes.
    if (this.#head === head && this.#options.sinks.some((sink) => this.#done.get(sink) !== head.seq)) {
      this.#head = undefined;
      this.advance(head);
    }
  }
}
