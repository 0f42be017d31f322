/**
 * Choices read off a list of bytes that fast-check generates. Past its end every choice is the first, so that a shorter tape, or one of
 * smaller bytes, is always a simpler thing: fast-check shrinks whatever is described with it.
 */
export class Tape {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** 0 … below - 1. */
  below(below: number): number {
    const byte = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    return byte % below;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  /** True once in `n` times; never past the end. */
  once(n: number): boolean {
    return this.below(n) === n - 1;
  }

  /** Up to `most` things, each as it is described when its turn comes. */
  some<T>(least: number, most: number, describe: (index: number) => T): T[] {
    return Array.from({ length: least + this.below(most - least + 1) }, (_, index) => describe(index));
  }
}
