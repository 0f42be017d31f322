/** How long a new key may be unknown to some of a provider's machines, in milliseconds. */
const settlingMs = 30_000;

/** Keys that were made here a moment ago: a provider that does not know one may only not know it yet. */
export class SettlingKeys {
  readonly #until = new Map<string, number>();

  add(keyRef: string): void {
    const now = performance.now();
    for (const [made, until] of this.#until) if (until <= now) this.#until.delete(made);
    this.#until.set(keyRef, now + settlingMs);
  }

  has(keyRef: string): boolean {
    return performance.now() < (this.#until.get(keyRef) ?? 0);
  }
}
