import type { Wire, WireCopy, WireOutcome } from './wire.ts';

/** How long the rest may take to come once it was cancelled, in milliseconds: the request can be lost, and reading on take hours. */
const stopWithinMs = 2_000;

/** One COPY … TO STDOUT under way: read to its end, or ended early. */
export class RunningCopy {
  readonly #wire: Wire;
  readonly #copy: WireCopy;
  #running = true;
  #stopped = false;

  constructor(wire: Wire, text: string) {
    this.#wire = wire;
    this.#copy = wire.copyTo(text);
    void this.#copy.outcome.then(() => {
      this.#running = false;
    });
  }

  /** Resolves once the server is done with it. */
  get outcome(): Promise<WireOutcome> {
    return this.#copy.outcome;
  }
  /** Whether it was ended early. */
  get stopped(): boolean {
    return this.#stopped;
  }

  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let chunk = await this.#copy.data.next(); chunk !== undefined; chunk = await this.#copy.data.next()) yield chunk;
  }

  /**
   * Cancels it at the server and lets go of what comes until then; resolves like {@link outcome}. A connection on which it does not end in
   * time is ended, which rolls back as well.
   */
  async stop(): Promise<WireOutcome> {
    if (!this.#stopped) {
      this.#stopped = true;
      this.#copy.data.discard();
      await this.#wire.cancel(() => this.#running);
      const giveUp = setTimeout(() => this.#wire.destroy(), stopWithinMs);
      void this.#copy.outcome.then(() => clearTimeout(giveUp));
    }
    return await this.#copy.outcome;
  }
}
