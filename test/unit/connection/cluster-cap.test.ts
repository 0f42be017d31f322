import { expect, test } from 'vitest';
import { ClusterCap } from '../../../src/connection/cluster-cap.ts';
import { ConfigurationError } from '../../../src/errors.ts';

const never = new AbortController().signal;
const none = { releaseIdle: () => false };

test('grants up to the limit, then to the pool with the fewest lanes', async () => {
  const cap = new ClusterCap();
  const big = cap.join('c', 2, none);
  const small = cap.join('c', 2, none);
  const leave = [await big.acquire(never), await big.acquire(never)];
  const order: string[] = [];
  void big.acquire(never).then(() => order.push('big'));
  void small.acquire(never).then(() => order.push('small'));
  await Promise.resolve();
  expect(order).toEqual([]);
  expect(big.mustYield).toBe(true);
  expect(small.mustYield).toBe(false);
  leave[0]!();
  leave[0]!();
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect(order).toEqual(['small']);
  expect(cap.used('c')).toBe(2);
});

test('asks the pool with the most lanes to close an idle one', async () => {
  const cap = new ClusterCap();
  let leave = (): void => {};
  const owner = cap.join('c', 1, {
    releaseIdle: () => {
      leave();
      return true;
    },
  });
  leave = await owner.acquire(never);
  const other = cap.join('c', 1, none);
  await other.acquire(never);
  expect(cap.used('c')).toBe(1);
});

test('lets a waiter go when its signal fires, and keeps clusters apart', async () => {
  const cap = new ClusterCap();
  const seat = cap.join('c', 1, none);
  await seat.acquire(never);
  const controller = new AbortController();
  const waiting = seat.acquire(controller.signal);
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(seat.acquire(controller.signal)).rejects.toThrow('enough');
  await cap.join('other', 1, none).acquire(never);
  expect(cap.used('other')).toBe(1);
});

test('refuses limits that are none', () => {
  for (const limit of [0, -1, 1.5, Number.NaN]) expect(() => new ClusterCap().join('c', limit, none)).toThrow(ConfigurationError);
});
