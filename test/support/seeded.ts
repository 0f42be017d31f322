import { randomInt } from 'node:crypto';

/** Random numbers that are the same for the same seed (mulberry32). */
export class Seeded {
  readonly #seed: number;
  #state: number;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#state = this.#seed;
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to bound - 1. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Numbers of their own for one part of the work, whatever the other parts have used up and in whichever order they run. */
  fork(part: number): Seeded {
    return new Seeded(Math.imul(this.#seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(part + 1, 0xc2b2ae35));
  }
}

/** The seed that TENANCY_FUZZ_SEED asks for, or one by chance; tests print it in their names. */
export const fuzzSeed = Number(process.env['TENANCY_FUZZ_SEED'] ?? randomInt(2 ** 31));

/** How many runs TENANCY_FUZZ_RUNS asks for, or as many as fit continuous integration. */
export function fuzzRuns(usual: number): number {
  return Number(process.env['TENANCY_FUZZ_RUNS'] ?? usual);
}

/** How long so many runs may take before something must be hanging, in milliseconds; no measure of speed. */
export function fuzzTimeoutMs(runs: number): number {
  return 300_000 + runs * 200;
}
