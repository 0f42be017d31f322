/** Time that several things in a row share by their weights: what one leaves over, those behind it have too. */
export class TimeBudget {
  readonly #endsAt: number;
  readonly #now: () => number;
  #left: number;

  /**
   * @param weights of all things together
   * @param ms for all of them
   */
  constructor(weights: number, ms: number, now: () => number = () => performance.now()) {
    this.#left = weights;
    this.#now = now;
    this.#endsAt = now() + ms;
  }

  /** What the next thing may take, in milliseconds; 0 when the time is over. */
  next(weight: number): number {
    const share = ((this.#endsAt - this.#now()) * weight) / Math.max(weight, this.#left);
    this.#left -= weight;
    return Math.max(0, share);
  }
}
