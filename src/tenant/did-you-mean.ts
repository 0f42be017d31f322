/**
 * The candidate that a mistyped word most likely stands for: the same word in another spelling (`primaryColor`, `primary-color`), or one
 * at most a third of its letters away.
 *
 * @param word what was written
 * @param candidates what could have been meant
 * @example
 * ```ts
 * didYouMean('teir', ['tier', 'region']); // 'tier'
 * ```
 */
export function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  const plain = normalise(word);
  let best: string | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const meant = normalise(candidate);
    const changes = editDistance(plain, meant);
    const allowed = Math.max(1, Math.floor(Math.max(plain.length, meant.length) / 3));
    if (changes <= allowed && changes < fewest) [best, fewest] = [candidate, changes];
  }
  return best;
}

function normalise(word: string): string {
  return word
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
    .replaceAll('colour', 'color');
}

/** Insertions, deletions, replacements and swapped neighbours between two words. */
function editDistance(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const replaced = last[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, replaced);
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      if (swapped) cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    [beforeLast, last] = [last, row];
  }
  return last[right.length]!;
}
