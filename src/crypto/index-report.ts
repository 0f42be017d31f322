/** How the values of one blind index are spread, and so what equal tags tell. */
export interface IndexReport {
  /** Rows that have a value. */
  readonly rows: number;
  readonly distinct: number;
  /** The share of the rows, from 0 to 1, that the commonest value has. */
  readonly topShare: number;
  /** Shannon's entropy of a row's value, in bits. */
  readonly entropy: number;
  /** The chance, from 0 to 1, that two rows picked at random have the same value. */
  readonly collision: number;
  /** How many rows have a value that so many rows have: who knows how often a value occurs finds those that stand alone in their class. */
  readonly anonymity: readonly AnonymityClass[];
  /** The share of the values, from 0 to 1, that no other has the frequency of: counting alone tells which tag is theirs. */
  readonly uniqueFrequencies: number;
  /**
   * The width in bits under which each tag still stands for 16 values on average; `undefined` where the whole tag tells nothing more, since
   * nearly every value occurs once; 0 where no width helps and the column should have no index.
   */
  readonly recommendedBits: number | undefined;
  /** The recommendation and its reason, in one sentence, without any value. */
  readonly advice: string;
}

/** Values that occur in from `from` to `to` rows. */
export interface AnonymityClass {
  readonly from: number;
  readonly to: number;
  readonly values: number;
  readonly rows: number;
}

const classes: readonly (readonly [number, number])[] = [
  [1, 1],
  [2, 4],
  [5, 9],
  [10, 99],
  [100, Number.POSITIVE_INFINITY],
];
/** Values that share a tag of the recommended width, on average. */
const valuesPerTag = 16;
const leastBits = 2;

/**
 * Reports what a blind index tells somebody who reads the table: from how many rows each value has. They may be counted from the values
 * themselves before an index is declared, or from the tags of one that is there: `select count(*) from products group by
 * supplier_iban_index`. It takes counts, never values.
 *
 * @param counts rows per value; each a whole number from 1
 * @throws {RangeError} on a count that is none
 * @example
 * ```ts
 * const rows = await tenancy.sql<{ n: string }>`select count(*) as n from products where supplier_iban_index is not null group by supplier_iban_index`;
 * const { topShare, recommendedBits, advice } = reportIndex(rows.map(({ n }) => Number(n)));
 * ```
 */
export function reportIndex(counts: readonly number[]): IndexReport {
  const rows = counts.reduce((sum, count) => {
    if (!Number.isSafeInteger(count) || count < 1) throw new RangeError('A count of rows is not a whole number from 1.');
    return sum + count;
  }, 0);
  const distinct = counts.length;
  const shares = counts.map((count) => count / rows);
  const frequencies = new Map<number, number>();
  for (const count of counts) frequencies.set(count, (frequencies.get(count) ?? 0) + 1);
  const alone = [...frequencies.values()].filter((values) => values === 1).length;
  const spread = {
    rows,
    distinct,
    topShare: counts.reduce((top, count) => Math.max(top, count), 0) / Math.max(rows, 1),
    entropy: Math.abs(shares.reduce((sum, share) => sum - share * Math.log2(share), 0)),
    collision: rows < 2 ? 0 : counts.reduce((sum, count) => sum + (count / rows) * ((count - 1) / (rows - 1)), 0),
    anonymity: classes.flatMap(([from, to]) => {
      const within = counts.filter((count) => count >= from && count <= to);
      return within.length === 0 ? [] : [{ from, to, values: within.length, rows: within.reduce((sum, count) => sum + count, 0) }];
    }),
    uniqueFrequencies: distinct === 0 ? 0 : alone / distinct,
  };
  return Object.freeze({ ...spread, ...recommended(spread) });
}

function recommended(spread: Pick<IndexReport, 'rows' | 'distinct' | 'topShare'>): Pick<IndexReport, 'recommendedBits' | 'advice'> {
  const { rows, distinct, topShare } = spread;
  if (rows === 0) return { recommendedBits: undefined, advice: 'There are no values to judge by.' };
  if (rows >= 20 && distinct >= 0.95 * rows)
    return { recommendedBits: undefined, advice: 'Nearly every value occurs once, so whole tags tell little more than that rows differ.' };
  const bits = Math.floor(Math.log2(distinct / valuesPerTag));
  if (bits < leastBits || topShare > 0.5) {
    const why = topShare > 0.5 ? 'one value has more than half of the rows' : 'there are few different values';
    return {
      recommendedBits: 0,
      advice: `No width hides which rows are alike, since ${why}: leave the index out and filter in the service.`,
    };
  }
  return {
    recommendedBits: bits,
    advice: `Values repeat: ${bits} bits let about ${valuesPerTag} of them share a tag, and queries read as many times the rows.`,
  };
}
