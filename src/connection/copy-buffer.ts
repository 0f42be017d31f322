/** So many bytes wait for the reader before the source is asked to pause. */
const enough = 128 * 1024;

/** Where a COPY's data waits for its reader: the source pauses while there is enough. */
export class CopyBuffer {
  readonly #pause: () => void;
  readonly #resume: () => void;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #paused = false;
  #ended = false;
  #discarding = false;
  #wake: (() => void) | undefined;

  /** @param source what is stopped when the reader doesn't keep up, and goes on when it has */
  constructor(source: { readonly pause: () => void; readonly resume: () => void }) {
    this.#pause = source.pause;
    this.#resume = source.resume;
  }

  /** @param chunk is the buffer's from now on */
  push(chunk: Uint8Array): void {
    if (this.#discarding || chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length >= enough && !this.#paused) {
      this.#paused = true;
      this.#pause();
    }
    this.#wake?.();
  }

  /** No more comes. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Everything that has come, or the next that does; undefined at the end, or once the rest is discarded. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#length === 0 && !this.#ended && !this.#discarding) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    const chunks = this.#take();
    return chunks.length === 0 ? undefined : chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  }

  /** Lets go of what has come and of what comes. */
  discard(): void {
    this.#discarding = true;
    this.#take();
    this.#wake?.();
  }

  #take(): readonly Uint8Array[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#length = 0;
    if (this.#paused) {
      this.#paused = false;
      this.#resume();
    }
    return chunks;
  }
}
