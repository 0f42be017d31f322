import { rounded } from '../result.ts';
import { percentile } from '../statistics.ts';

/** Two ways to do the same, measured in turns: medians over the rounds, and how many times the one's time the other took in each round. */
export interface Compared {
  /** Of the plain way. */
  readonly plain: number;
  /** Of the way that encrypts. */
  readonly encrypted: number;
  readonly ratio: number;
  /** What a quarter of the rounds' ratios were at or below. */
  readonly ratioLow: number;
  /** What three quarters of them were at or below. */
  readonly ratioHigh: number;
}

/** @param rounds the two times of each round, in whichever unit */
export function compared(rounds: readonly { readonly plain: number; readonly encrypted: number }[]): Compared {
  const at = (share: number, of: (round: (typeof rounds)[number]) => number): number =>
    rounded(percentile(Float64Array.from(rounds, of).sort(), share));
  const ratio = ({ plain, encrypted }: (typeof rounds)[number]): number => encrypted / plain;
  return {
    plain: at(0.5, ({ plain }) => plain),
    encrypted: at(0.5, ({ encrypted }) => encrypted),
    ratio: at(0.5, ratio),
    ratioLow: at(0.25, ratio),
    ratioHigh: at(0.75, ratio),
  };
}
