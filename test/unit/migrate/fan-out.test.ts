import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fanOut } from '../../../src/migrate/fan-out.ts';

describe('fanOut', () => {
  it('keeps the order of the items and the bound on concurrency', async () => {
    let running = 0;
    let most = 0;
    const results = await fanOut(
      [5, 1, 4, 2, 3, 0],
      async (n) => {
        running += 1;
        most = Math.max(most, running);
        for (let i = 0; i < n; i += 1) await turn();
        running -= 1;
        return n * 10;
      },
      { concurrency: 3 },
    );
    expect(results).toEqual([50, 10, 40, 20, 30, 0]);
    expect(most).toBe(3);
  });

  it('starts no more after the result that stops, and waits for what runs', async () => {
    const ended: number[] = [];
    const results = await fanOut(
      [1, 2, 3, 4],
      async (n) => {
        for (let i = 0; i < n; i += 1) await turn();
        ended.push(n);
        return n;
      },
      { concurrency: 2, stopAfter: (n) => n === 1 },
    );
    expect(results).toEqual([1, 2, undefined, undefined]);
    expect(ended).toEqual([1, 2]);
  });

  it('starts no more after an abort', async () => {
    const controller = new AbortController();
    const results = await fanOut(
      [1, 2, 3],
      async (n) => {
        controller.abort();
        return n;
      },
      { concurrency: 1, signal: controller.signal },
    );
    expect(results).toEqual([1, undefined, undefined]);
  });

  it('throws what an action threw, when the others have ended', async () => {
    let ended = false;
    await expect(
      fanOut(
        [1, 2, 3],
        async (n) => {
          if (n === 1) throw new Error('broken');
          await turn();
          ended = true;
        },
        { concurrency: 2 },
      ),
    ).rejects.toThrow('broken');
    expect(ended).toBe(true);
  });
});
