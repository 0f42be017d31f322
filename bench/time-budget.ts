/** Time that several things in a row share: each gets an even part of what those before it left. */
export class TimeBudget {
  readonly #endsAt: number;
  readonly #now: () => number;
  #left: number;

  /**
   * @param parts how many things there are
   * @param ms for all of them
   */
  constructor(parts: number, ms: number, now: () => number = () => performance.now()) {
    this.#left = parts;
    this.#now = now;
    this.#endsAt = now() + ms;
  }

  /** What the next thing may take, in milliseconds; 0 when the time is over. */
  next(): number {
    const share = (this.#endsAt - this.#now()) / Math.max(1, this.#left--);
    return Math.max(0, share);
  }
}
