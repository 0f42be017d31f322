/** One signal for all that are given, or undefined. Mostly there is none or one, and nothing is made. */
export function anySignal(first: AbortSignal | undefined, second: AbortSignal | undefined): AbortSignal | undefined {
  if (first === undefined || first === second) return second;
  return second === undefined ? first : AbortSignal.any([first, second]);
}
