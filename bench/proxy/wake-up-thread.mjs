import { parentPort, workerData } from 'node:worker_threads';

/*
 * A clock finer than Node's timers, which count whole milliseconds: sleeps until the time that stands in the shared memory, then posts a
 * message. A wait on memory ends within some microseconds of its time, and leaves the event loop beside it free to read. JavaScript,
 * since a worker thread is started without the loader that reads TypeScript.
 */

/** @type {{ lock: Int32Array, wakeAt: Float64Array }} */
const { lock, wakeAt } = workerData;

for (let order = 0; ; ) {
  const waitMs = wakeAt[0] === 0 ? Number.POSITIVE_INFINITY : wakeAt[0] - (performance.timeOrigin + performance.now());
  // Another time that is written meanwhile ends the wait early, or does not let it begin.
  if (waitMs > 0) Atomics.wait(lock, 0, order, waitMs);
  const newest = Atomics.load(lock, 0);
  if (newest !== order || wakeAt[0] === 0) {
    order = newest;
    continue;
  }
  if (performance.timeOrigin + performance.now() < wakeAt[0]) continue;
  wakeAt[0] = 0;
  parentPort.postMessage(undefined);
}
