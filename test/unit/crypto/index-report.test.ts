import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reportIndex } from '../../../src/crypto/index-report.ts';

describe('reportIndex', () => {
  it('counts what equal tags tell', () => {
    const report = reportIndex([4, 2, 1, 1]);
    expect(report).toMatchObject({ rows: 8, distinct: 4, topShare: 0.5, entropy: 1.75, uniqueFrequencies: 0.5 });
    expect(report.collision).toBeCloseTo((4 * 3 + 2 * 1) / (8 * 7));
    expect(report.anonymity).toEqual([
      { from: 1, to: 1, values: 2, rows: 2 },
      { from: 2, to: 4, values: 2, rows: 6 },
    ]);
  });

  it('takes whole tags where values hardly repeat, a width where they do, and no index where there are few', () => {
    expect(reportIndex(Array.from({ length: 1_000 }, () => 1)).recommendedBits).toBeUndefined();
    expect(reportIndex(Array.from({ length: 1_024 }, () => 50)).recommendedBits).toBe(6);
    expect(reportIndex([500, 300, 200])).toMatchObject({ recommendedBits: 0, advice: expect.stringContaining('few') });
    expect(reportIndex([10_000, ...Array.from({ length: 1_000 }, () => 2)])).toMatchObject({ recommendedBits: 0 });
    expect(reportIndex([])).toMatchObject({ rows: 0, distinct: 0, topShare: 0, entropy: 0, collision: 0, recommendedBits: undefined });
  });

  it('stays within its ranges for any counts', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 300 }), (counts) => {
        const { rows, distinct, topShare, entropy, collision, anonymity, recommendedBits } = reportIndex(counts);
        expect(topShare).toBeGreaterThan(0);
        expect(topShare).toBeLessThanOrEqual(1);
        expect(entropy).toBeLessThanOrEqual(Math.log2(distinct) + 1e-9);
        expect(collision).toBeLessThanOrEqual(1);
        expect(anonymity.reduce((sum, each) => sum + each.rows, 0)).toBe(rows);
        expect(anonymity.reduce((sum, each) => sum + each.values, 0)).toBe(distinct);
        if (recommendedBits !== undefined && recommendedBits > 0) expect(distinct / 2 ** recommendedBits).toBeGreaterThanOrEqual(16);
      }),
    );
  });

  it('refuses what is no count', () => {
    for (const count of [0, -1, 1.5, Number.NaN]) expect(() => reportIndex([count])).toThrow(RangeError);
  });
});
