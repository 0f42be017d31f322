/** Hands things on after a fixed time, in their order. */
export class DelayLine {
  readonly #waiting: { readonly due: number; readonly deliver: () => void }[] = [];
  readonly #wakeAt: (time: number) => void;
  readonly #now: () => number;
  /** How long a thing is held, in milliseconds; 0: not at all. */
  delayMs = 0;

  /** @param wakeAt asks for a call of `deliverDue` at that time */
  constructor(wakeAt: (time: number) => void, now: () => number) {
    this.#wakeAt = wakeAt;
    this.#now = now;
  }

  push(deliver: () => void): void {
    // What is waiting goes first, whatever the delay is by now.
    if (this.delayMs === 0 && this.#waiting.length === 0) return deliver();
    const due = this.#now() + this.delayMs;
    this.#waiting.push({ due, deliver });
    if (this.#waiting.length === 1) this.#wakeAt(due);
  }

  deliverDue(): void {
    const now = this.#now();
    let done = 0;
    while (done < this.#waiting.length && this.#waiting[done]!.due <= now) this.#waiting[done++]!.deliver();
    this.#waiting.splice(0, done);
    const next = this.#waiting[0];
    if (next !== undefined) this.#wakeAt(next.due);
  }
}
