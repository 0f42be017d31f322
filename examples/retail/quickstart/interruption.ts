import { ancestry } from './ancestry.ts';

const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** Turns signals into an abort, so that what was started is ended in order; a second Ctrl-C ends the process at once. */
export class Interruption implements Disposable {
  readonly #order = new AbortController();
  readonly #handlers = new Map<NodeJS.Signals, () => void>();
  readonly #watch: NodeJS.Timeout | undefined;
  #exitCode: number | undefined;
  #since = 0;

  constructor() {
    for (const [name, number] of Object.entries(numbers) as [NodeJS.Signals, number][]) {
      const handler = (): void => this.#stop(128 + number);
      this.#handlers.set(name, handler);
      process.on(name, handler);
    }
    if (process.env['npm_lifecycle_event'] === undefined) return;
    // Between npm and this process stands a shell, which dies of npm's SIGTERM without a word, and outlives an npm that was killed.
    const before = ancestry();
    this.#watch = setInterval(() => {
      if (this.#exitCode === undefined && ancestry() !== before) this.#stop(128 + numbers.SIGTERM);
    }, 200);
    this.#watch.unref();
  }

  get signal(): AbortSignal {
    return this.#order.signal;
  }

  /** 128 and the signal's number, as shells count; undefined while nothing came. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** The work, or an error as soon as a signal comes: whatever the work waits for then. */
  async guard<T>(work: Promise<T>): Promise<T> {
    return await Promise.race([work, this.#interrupted()]);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#watch);
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }

  async #interrupted(): Promise<never> {
    const { signal } = this;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    throw signal.reason;
  }

  #stop(exitCode: number): void {
    if (this.#exitCode === undefined) {
      this.#exitCode = exitCode;
      this.#since = performance.now();
      this.#order.abort(new Error('interrupted'));
      return;
    }
    // One Ctrl-C comes twice under npm: from the terminal and from npm. The servers have supervisors, which clean up without this process.
    if (performance.now() - this.#since > 1_000) process.exit(exitCode);
  }
}
