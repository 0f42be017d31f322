/**
 * The decisions that make one random query, each known by the place where it is taken, so that a sibling can be made which differs in
 * exactly one of them. Values are not decisions: they come from a seed of their own.
 */
export class Decisions {
  readonly #seed: number;
  readonly #values: number;
  readonly #flip: { readonly at: string; readonly by: number } | undefined;
  readonly #taken = new Map<string, number>();
  readonly #pins: Readonly<Record<string, number>>;
  #given = 0;

  /**
   * @param flip the one decision to take otherwise
   * @param pins decisions that are taken already
   */
  constructor(
    seed: number,
    values: number,
    flip?: { readonly at: string; readonly by: number },
    pins: Readonly<Record<string, number>> = {},
  ) {
    this.#seed = seed;
    this.#values = values;
    this.#flip = flip;
    this.#pins = pins;
  }

  /** The places taken so far and how many ways there were at each. */
  get taken(): readonly (readonly [string, number])[] {
    return [...this.#taken];
  }

  pick(at: string, ways: number): number {
    const pinned = this.#pins[at];
    if (pinned !== undefined) return pinned;
    this.#taken.set(at, ways);
    const chosen = hash(this.#seed, at) % ways;
    return this.#flip?.at === at ? (chosen + 1 + (this.#flip.by % Math.max(1, ways - 1))) % ways : chosen;
  }

  yes(at: string, oneIn = 2): boolean {
    return this.pick(at, oneIn) === 0;
  }

  of<T>(at: string, choices: readonly T[]): T {
    return choices[this.pick(at, choices.length)]!;
  }

  /** A number that is no decision. */
  value(ways: number): number {
    this.#given += 1;
    return hash(this.#values, String(this.#given)) % ways;
  }
}

/** FNV-1a, mixed once more. */
function hash(seed: number, text: string): number {
  let state = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i += 1) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193) >>> 0;
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0;
  return (state ^ (state >>> 13)) >>> 0;
}
