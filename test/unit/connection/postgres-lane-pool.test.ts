import { describe, expect, test } from 'vitest';
import { ClusterCap } from '../../../src/connection/cluster-cap.ts';
import type { Unit, UnitContext } from '../../../src/connection/lane.ts';
import type { PostgresLanePoolOptions } from '../../../src/connection/lane-pool-options.ts';
import { PostgresLanePool } from '../../../src/connection/postgres-lane-pool.ts';
import {
  AbortedError,
  ClosedError,
  ConfigurationError,
  LaneLostError,
  LanesExhaustedError,
  LoginRefusedError,
} from '../../../src/errors.ts';
import { FakeLane } from './fake-lane.ts';

const contextOf = (tenantId: string, priority = 0): UnitContext => ({
  tenantId,
  sign: () => '',
  searchPath: undefined,
  raw: false,
  priority,
});
const unitOf = (tenantId: string, ms = 1, priority = 0): Unit => ({
  context: contextOf(tenantId, priority),
  statement: { text: String(ms), params: [], rows: 'array', prepare: true },
});
const pause = async (ms: number): Promise<void> => {
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
};

function poolOf(options: Partial<PostgresLanePoolOptions> = {}) {
  const lanes: FakeLane[] = [];
  const pool = new PostgresLanePool({
    clusterId: 'c',
    database: 'd',
    cap: new ClusterCap(),
    clusterMaxLanes: 50,
    open: async () => {
      await pause(1);
      const lane = new FakeLane();
      lanes.push(lane);
      return lane;
    },
    ...options,
  });
  return { pool, lanes };
}

describe('PostgresLanePool', () => {
  test('prefers an idle lane that served the tenant last', async () => {
    const { pool, lanes } = poolOf();
    await Promise.all([pool.run(unitOf('a', 20)), pool.run(unitOf('b', 20)), pool.run(unitOf('c', 20))]);
    expect(lanes).toHaveLength(3);
    for (const tenantId of ['b', 'c', 'a', 'b', 'a', 'c']) await pool.run(unitOf(tenantId));
    for (const lane of lanes) expect(new Set(lane.served).size).toBe(1);
    await pool.close();
  });

  test('pipelines units of one tenant to the depth, and no further', async () => {
    const { pool, lanes } = poolOf({ maxLanes: 1 });
    await pool.run(unitOf('a'));
    await Promise.all(Array.from({ length: 12 }, async () => await pool.run(unitOf('a', 2))));
    expect(lanes[0]!.maxDepthSeen).toBe(3);
    await pool.close();
  });

  test('opens another lane rather than waiting behind a slow unit', async () => {
    const { pool, lanes } = poolOf({ maxLanes: 2 });
    await pool.run(unitOf('a'));
    let waited = false;
    const slow = pool.run(unitOf('a', 1_000)).then(() => {
      waited = true;
    });
    await pause(20);
    await pool.run(unitOf('a'));
    expect(waited).toBe(false);
    expect(lanes).toHaveLength(2);
    await slow;
    await pool.close();
  });

  test('a busy tenant’s stream can’t keep another tenant from its only lane', async () => {
    const { pool } = poolOf({ maxLanes: 1, maxDepth: 3 });
    let streaming = true;
    let served = 0;
    const stream = Promise.all(
      [1, 2, 3, 4].map(async () => {
        for (; streaming; served++) await pool.run(unitOf('a', 3));
      }),
    );
    await pause(20);
    const before = served;
    await pool.run(unitOf('b'));
    // The three that were on the lane and the one that waited before it: nobody who came later.
    expect(served - before).toBeLessThanOrEqual(4);
    streaming = false;
    await stream;
    await pool.close();
  });

  test('keeps a tenant to its lanes and lets others pass it', async () => {
    const { pool, lanes } = poolOf({ maxLanes: 3, maxLanesPerTenant: 1, maxDepth: 1 });
    const many = Promise.all(Array.from({ length: 5 }, async () => await pool.run(unitOf('a', 30))));
    await pause(10);
    expect(await Promise.race([pool.run(unitOf('b')).then(() => 'b'), many.then(() => 'many')])).toBe('b');
    await many;
    expect(lanes.filter((lane) => lane.served.includes('a'))).toHaveLength(1);
    // None was opened for those who may not have it.
    expect(lanes).toHaveLength(2);
    await pool.close();
  });

  test('keeps a tenant to the lanes that its tier gives it', async () => {
    const { pool, lanes } = poolOf({ maxLanes: 3, maxDepth: 1 });
    const { context, statement } = unitOf('a', 20);
    await Promise.all(Array.from({ length: 4 }, async () => await pool.run({ context: { ...context, maxLanes: 2 }, statement })));
    expect(lanes.filter((lane) => lane.served.includes('a'))).toHaveLength(2);
    expect(lanes).toHaveLength(2);
    await pool.close();
  });

  test('serves by priority, then in order', async () => {
    const { pool } = poolOf({ maxLanes: 1, maxDepth: 1 });
    await pool.run(unitOf('a'));
    const order: string[] = [];
    const first = pool.run(unitOf('a', 20));
    await Promise.all(
      [
        ['low', 0],
        ['low2', 0],
        ['high', 9],
        ['middle', 5],
      ].map(async ([tenantId, priority]) => {
        await pool.run(unitOf(String(tenantId), 1, Number(priority)));
        order.push(String(tenantId));
      }),
    );
    await first;
    expect(order).toEqual(['high', 'middle', 'low', 'low2']);
    await pool.close();
  });

  test('gives transactions a lane to themselves', async () => {
    const { pool } = poolOf({ maxLanes: 2 });
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) =>
        index % 2 === 0
          ? await pool.transaction(contextOf('a'), {}, async (tx) => {
              await pause(2);
              await tx.execute({ text: '', params: [], rows: 'array', prepare: false });
            })
          : await pool.run(unitOf('a', 2)),
      ),
    );
    await pool.close();
  });

  test('refuses with a time to come back when no lane comes free', async () => {
    const { pool } = poolOf({ maxLanes: 1, acquireTimeoutMs: 30, maxQueued: 2 });
    await pool.run(unitOf('a'));
    const slow = pool.run(unitOf('a', 120));
    await pause(10);
    const waits = [pool.run(unitOf('b')), pool.run(unitOf('b')), pool.run(unitOf('c'))].map(
      async (work) => await work.catch((error: unknown) => error),
    );
    for (const error of await Promise.all(waits)) {
      expect(error).toBeInstanceOf(LanesExhaustedError);
      expect((error as LanesExhaustedError).retryAfterMs).toBeGreaterThan(0);
      expect((error as LanesExhaustedError).retryable).toBe(true);
    }
    await slow;
    await pool.close();
  });

  test('leaves the queue when the signal fires', async () => {
    const { pool } = poolOf({ maxLanes: 1 });
    await pool.run(unitOf('a'));
    const slow = pool.run(unitOf('a', 60));
    await expect(pool.run(unitOf('b'), AbortSignal.timeout(10))).rejects.toThrow(AbortedError);
    expect(pool.queued).toBe(0);
    const late = pool.run(unitOf('b'), AbortSignal.abort());
    expect(await Promise.race([late.catch(() => 'refused at once'), slow])).toBe('refused at once');
    await expect(late).rejects.toThrow(AbortedError);
    await slow;
    await pool.close();
  });

  test('runs a unit again on another lane when nothing was sent, once, and never when it may have been', async () => {
    const { pool, lanes } = poolOf({ maxLanes: 1 });
    await pool.run(unitOf('a'));
    const retried = pool.run(unitOf('a', 50));
    await pause(5);
    lanes[0]!.lose();
    expect((await retried).rows).toEqual([lanes[1]!.id]);
    const doubtful = pool.run({ ...unitOf('a', 50), statement: { text: '50', params: [], rows: 'object', prepare: true } });
    await pause(5);
    lanes[1]!.lose();
    await expect(doubtful).rejects.toMatchObject({ sent: true });
    expect(lanes).toHaveLength(2);
    await pool.close();
  });

  test('begins a transaction on another lane when its lane was lost before the callback was called, once', async () => {
    const { pool, lanes } = poolOf({ maxLanes: 1 });
    await pool.run(unitOf('a'));
    let calls = 0;
    const begun = pool.transaction(contextOf('a'), {}, async () => ++calls);
    lanes[0]!.lose();
    expect(await begun).toBe(1);
    expect([calls, lanes.length]).toEqual([1, 2]);
    await pool.close();
  });

  test('never calls a transaction’s callback twice', async () => {
    const { pool } = poolOf();
    let calls = 0;
    await expect(
      pool.transaction(contextOf('a'), {}, async () => {
        calls++;
        throw new LaneLostError('gone', { sent: false });
      }),
    ).rejects.toThrow(LaneLostError);
    expect(calls).toBe(1);
    await pool.close();
  });

  test('refuses everyone when the first look at a lane refuses its login, and closes it', async () => {
    const { pool, lanes } = poolOf({
      onOpen: async () => {
        throw new LoginRefusedError('superuser');
      },
    });
    const results = await Promise.allSettled([pool.run(unitOf('a')), pool.run(unitOf('b'))]);
    for (const result of results) expect((result as PromiseRejectedResult).reason).toBeInstanceOf(LoginRefusedError);
    expect(lanes.every((lane) => lane.state === 'closed' && lane.served.length === 0)).toBe(true);
    await pool.close();
  });

  test('lets the lanes that work serve while another can’t be opened', async () => {
    let opened = 0;
    const { pool } = poolOf({
      open: async () => {
        if (++opened > 1) throw new LaneLostError('refused', { sent: false });
        return new FakeLane();
      },
    });
    await pool.run(unitOf('a'));
    await expect(Promise.all(Array.from({ length: 6 }, async (_, index) => await pool.run(unitOf(`t${index}`, 5))))).resolves.toHaveLength(
      6,
    );
    await pool.close();
  });

  test('closes idle lanes', async () => {
    const { pool, lanes } = poolOf({ idleTimeoutMs: 20 });
    await pool.run(unitOf('a'));
    expect(pool.size).toBe(1);
    await pause(60);
    expect(pool.size).toBe(0);
    expect(lanes[0]!.state).toBe('closed');
    await pool.close();
  });

  test('drains what it accepted when closed, then refuses', async () => {
    const { pool, lanes } = poolOf({ maxLanes: 1, maxDepth: 1 });
    const work = [pool.run(unitOf('a', 20)), pool.run(unitOf('b', 20))];
    const closed = pool.close();
    await expect(pool.run(unitOf('a'))).rejects.toThrow(ClosedError);
    await expect(Promise.all(work)).resolves.toHaveLength(2);
    await closed;
    expect(lanes.every((lane) => lane.state === 'closed')).toBe(true);
    await pool.close();
  });

  test('refuses limits that are none', () => {
    expect(() => poolOf({ maxLanes: 0 })).toThrow(ConfigurationError);
    expect(() => poolOf({ maxDepth: Number.NaN })).toThrow(ConfigurationError);
    expect(() => poolOf({ clusterMaxLanes: 0 })).toThrow(ConfigurationError);
  });

  test('shares a cluster’s cap: an idle lane of another pool makes room, and a busy pool gives up what exceeds its share', async () => {
    const cap = new ClusterCap();
    const one = poolOf({ cap, clusterMaxLanes: 2, maxLanes: 2, maxDepth: 1 });
    const two = poolOf({ cap, clusterMaxLanes: 2, maxLanes: 2, maxDepth: 1 });
    await Promise.all([one.pool.run(unitOf('a', 10)), one.pool.run(unitOf('b', 10))]);
    expect(cap.used('c')).toBe(2);
    await two.pool.run(unitOf('x'));
    expect(one.pool.size).toBe(1);
    let streaming = true;
    const stream = Promise.all(
      ['a', 'b', 'c', 'd'].map(async (tenantId) => {
        while (streaming) await one.pool.run(unitOf(tenantId, 3));
      }),
    );
    await pause(20);
    for (let time = 0; time < 5; time++) {
      const started = performance.now();
      await Promise.all([two.pool.run(unitOf('x', 5)), two.pool.run(unitOf('y', 5))]);
      expect(performance.now() - started).toBeLessThan(500);
    }
    streaming = false;
    await stream;
    expect(cap.used('c')).toBeLessThanOrEqual(2);
    await one.pool.close();
    await two.pool.close();
    expect(cap.used('c')).toBe(0);
  });

  test('holds its rules under random work, losses and aborts', async () => {
    const cap = new ClusterCap();
    const pools = [1, 2, 3].map(() =>
      poolOf({ cap, clusterMaxLanes: 7, maxLanes: 4, maxLanesPerTenant: 2, acquireTimeoutMs: 5_000, idleTimeoutMs: 15 }),
    );
    const allowed = [LaneLostError, AbortedError, LanesExhaustedError];
    let done = 0;
    const callers = Array.from({ length: 24 }, async () => {
      for (let time = 0; time < 40; time++) {
        const { pool } = pools[Math.floor(Math.random() * 3)]!;
        const tenantId = `t${Math.floor(Math.random() ** 2 * 6)}`;
        try {
          const signal = Math.random() < 0.1 ? AbortSignal.timeout(Math.ceil(Math.random() * 4)) : undefined;
          if (Math.random() < 0.2)
            await pool.transaction(contextOf(tenantId), { signal }, async () => {
              await pause(Math.random() * 3);
            });
          else await pool.run(unitOf(tenantId, Math.random() * 3, Math.floor(Math.random() * 3)), signal);
        } catch (error) {
          if (!allowed.some((kind) => error instanceof kind)) throw error;
        }
        done++;
        expect(cap.used('c')).toBeLessThanOrEqual(7);
        if (Math.random() < 0.02) pools[0]!.lanes.findLast((lane) => lane.state === 'open')?.lose();
      }
    });
    await Promise.all(callers);
    expect(done).toBe(24 * 40);
    expect(Math.max(...pools.flatMap(({ lanes }) => lanes.map((lane) => lane.maxDepthSeen)))).toBeLessThanOrEqual(3);
    await Promise.all(
      pools.map(async ({ pool }) => {
        await pool.close();
      }),
    );
    expect(cap.used('c')).toBe(0);
  });
});
