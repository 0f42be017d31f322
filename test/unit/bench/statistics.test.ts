import { expect, test } from 'vitest';
import { lengthsWithin } from '../../../bench/plan.ts';
import { DelayLine } from '../../../bench/proxy/delay-line.ts';
import { rounded } from '../../../bench/result.ts';
import { median, percentile } from '../../../bench/statistics.ts';
import { TimeBudget } from '../../../bench/time-budget.ts';

test('percentiles are values of the list, by nearest rank', () => {
  const sorted = Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0, 0.5, 0.99, 1].map((share) => percentile(sorted, share))).toEqual([1, 50, 99, 100]);
  expect(percentile([7], 0.99)).toBe(7);
  expect(percentile([], 0.5)).toBeNaN();
});

test('a median does not mind the order, or an outlier', () => {
  expect(median([9, 1, 1_000, 2, 3])).toBe(3);
});

test('five digits are kept, however small the value', () => {
  expect([12_345.678, 0.001_234_567, 0].map(rounded)).toEqual([12_346, 0.001_234_6, 0]);
});

test('what one part leaves is shared by the others', () => {
  let now = 0;
  const budget = new TimeBudget(3, 90, () => now);
  expect(budget.next(1)).toBe(30);
  now = 50;
  expect(budget.next(2)).toBe(40);
  now = 100;
  expect([budget.next(1), budget.next(1)]).toEqual([0, 0]);
});

test('rounds fit into what a case may take, within bounds', () => {
  expect(lengthsWithin(7, 1_400)).toEqual({ rounds: 3, roundMs: 40, warmUpMs: 80 });
  expect(lengthsWithin(7, 0).roundMs).toBe(25);
  expect(lengthsWithin(1, 60_000).roundMs).toBe(300);
});

test('a delay line keeps the order and the delay', () => {
  let now = 10;
  const wakeUps: number[] = [];
  const delivered: string[] = [];
  const line = new DelayLine(
    (time) => wakeUps.push(time),
    () => now,
  );
  line.push(() => delivered.push('at once'));
  line.delayMs = 1;
  line.push(() => delivered.push('first'));
  now = 10.4;
  line.push(() => delivered.push('second'));
  // What comes after the delay was taken away must not overtake.
  line.delayMs = 0;
  line.push(() => delivered.push('third'));
  expect(delivered).toEqual(['at once']);
  expect(wakeUps).toEqual([11]);
  now = 11.1;
  line.deliverDue();
  expect(delivered).toEqual(['at once', 'first']);
  expect(wakeUps).toEqual([11, 11.4]);
  now = 11.4;
  line.deliverDue();
  expect(delivered).toEqual(['at once', 'first', 'second', 'third']);
});
