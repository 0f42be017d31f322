import { Worker } from 'node:worker_threads';

/**
 * Calls back at points in time that are finer than a millisecond.
 *
 * @param callback called at or soon after each time that was asked for
 */
export function createWakeUp(callback: () => void): { at(time: number): void } {
  const lock = new Int32Array(new SharedArrayBuffer(4));
  const wakeAt = new Float64Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL('./wake-up-thread.mjs', import.meta.url), { workerData: { lock, wakeAt } });
  worker.on('message', callback);
  return {
    /** @param time as `performance.timeOrigin + performance.now()` counts; replaces the one before */
    at(time) {
      wakeAt[0] = time;
      Atomics.add(lock, 0, 1);
      Atomics.notify(lock, 0);
    },
  };
}
