import { describe, expect, test } from 'vitest';
import { ClosedError, LaneLostError } from '../../../src/errors.ts';
import { LoginPools } from '../../../src/routing/login-pools.ts';
import { recordOf } from '../catalog/records.ts';
import { NotedPool } from './parts.ts';

const { cluster } = recordOf('acme');
const unit = { context: undefined, statement: undefined } as never;

function poolsOf() {
  let ms = 0;
  const opened: NotedPool[] = [];
  let checks = 0;
  const pools = new LoginPools({
    credentials: async () => ({ user: 'u', password: 'p' }),
    openPool: (request) => {
      const pool = new NotedPool(request);
      opened.push(pool);
      return pool;
    },
    checkLogin: async () => {
      checks++;
    },
    idleMs: 1_000,
    now: () => ms,
  });
  return {
    pools,
    opened,
    checks: () => checks,
    advance: (by: number) => {
      ms += by;
    },
  };
}

describe('LoginPools', () => {
  test('an idle pool is closed, and opened again by the next unit with its login checked again', async () => {
    const { pools, opened, checks, advance } = poolsOf();
    const { pool } = await pools.pool(cluster, 'a');
    await pool.run(unit);
    advance(999);
    pools.closeIdle();
    expect(opened[0]!.closed).toBe(false);
    advance(1);
    pools.closeIdle();
    expect(opened[0]!.closed).toBe(true);
    await Promise.all([pool.run(unit), pool.run(unit)]);
    expect([opened.length, opened[1]!.units, checks()]).toEqual([2, 2, 2]);
    await pools.close();
    expect(opened[1]!.closed).toBe(true);
  });

  test('a pool with a unit under way is not idle, however long it takes', async () => {
    const { pools, opened, advance } = poolsOf();
    const { pool } = await pools.pool(cluster, 'a');
    let release = (): void => {};
    opened[0]!.hold = new Promise((resolve) => {
      release = resolve;
    });
    const running = pool.run(unit);
    advance(5_000);
    pools.closeIdle();
    expect(opened[0]!.closed).toBe(false);
    release();
    await running;
    pools.closeIdle();
    expect(opened[0]!.closed).toBe(false);
    await pools.close();
  });

  test.each(['retire', 'closeIdle'] as const)('%s at any moment of an opening refuses nobody for good', async (end) => {
    const outcomes = new Set<string>();
    for (let microtasks = 0; microtasks < 40; microtasks++) {
      const { pools, advance } = poolsOf();
      const { pool } = await pools.pool(cluster, 'a');
      advance(2_000);
      pools.closeIdle();
      const units = [0, 1].map(() =>
        pool.run(unit).then(
          () => 'ran',
          (error: unknown) => (error instanceof LaneLostError && error.retryable && !error.sent ? 'retryable' : String(error)),
        ),
      );
      for (let n = 0; n < microtasks; n++) await Promise.resolve();
      advance(2_000);
      if (end === 'retire') void pool.retire();
      else pools.closeIdle();
      for (const outcome of await Promise.all(units)) outcomes.add(outcome);
      await pools.close();
    }
    // Idleness ends nobody's work: the pool is opened once more.
    expect([...outcomes].sort()).toEqual(end === 'retire' ? ['ran', 'retryable'] : ['ran']);
  });

  test('databases and clusters have pools of their own', async () => {
    const { pools, opened } = poolsOf();
    await Promise.all([
      pools.pool(cluster, 'a'),
      pools.pool(cluster, 'a'),
      pools.pool(cluster, 'b'),
      pools.pool({ ...cluster, port: 1 }, 'a'),
    ]);
    expect(opened.map(({ request }) => `${request.cluster.port}/${request.database}`).sort()).toEqual(['1/a', '5432/a', '5432/b']);
    await pools.close();
    expect(opened.every(({ closed }) => closed)).toBe(true);
    await expect(pools.pool(cluster, 'a')).rejects.toThrow(ClosedError);
  });
});
