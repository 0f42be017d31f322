import type { Anchor, AnchorSink } from '../audit/anchor-sink.ts';

/**
 * Hands anchors to a function: a log's client, another database, an object store with a write-once bucket.
 *
 * @example
 * ```ts
 * const anchors = new FunctionAnchorSink('log', (anchor) => console.log(JSON.stringify({ type: 'tenancy.anchor', ...anchor })));
 * ```
 */
export class FunctionAnchorSink implements AnchorSink {
  /** The name that it was given. */
  readonly name: string;
  readonly #keep: (anchor: Anchor) => void | Promise<void>;

  /** @param keep resolves when the anchor is kept, and throws or rejects when it is not */
  constructor(name: string, keep: (anchor: Anchor) => void | Promise<void>) {
    this.name = name;
    this.#keep = keep;
  }

  /** Resolves when the function has; rejects with what it throws. */
  async write(anchor: Anchor): Promise<void> {
    await this.#keep(anchor);
  }

  /** Does nothing: what the function writes to is its owner's to close. */
  async close(): Promise<void> {}
}
