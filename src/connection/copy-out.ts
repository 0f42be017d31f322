import type { Readable } from 'node:stream';

/** The bytes of a COPY TO STDOUT that the server is sending. Not reading them holds the server back, and everything behind them. */
export class CopyOut {
  /** Resolves when the COPY has ended, well or not. */
  readonly ended: Promise<void>;
  readonly #stream: Readable;

  constructor(stream: Readable) {
    this.#stream = stream;
    this.ended = new Promise((resolve) => {
      stream.once('close', resolve);
    });
    // Whoever reads meets the error; where nobody does it must not end the process.
    stream.on('error', () => {});
  }

  get over(): boolean {
    return this.#stream.readableEnded || this.#stream.destroyed;
  }

  /** Destroying the stream would leave the connection paused for good, so who stops early must call {@link drop}. */
  chunks(): AsyncIterableIterator<Uint8Array> {
    return this.#stream.iterator({ destroyOnReturn: false });
  }

  /** Reads what is left and forgets it. */
  async drop(): Promise<void> {
    const forget = (): void => {
      while (this.#stream.read() !== null);
    };
    this.#stream.on('readable', forget);
    forget();
    await this.ended;
  }
}
