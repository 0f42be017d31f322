import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Does all of it four times, whatever it meets. Once something has failed it takes its time and keeps trying: it is still at it when the next
 * connection is open and others have begun their transactions there.
 */
export async function carryOn(steps: readonly (() => Promise<void>)[]): Promise<void> {
  let failed = false;
  for (let round = 0; round < (failed ? 24 : 4); round++) {
    for (const step of steps)
      await step().catch(() => {
        failed = true;
      });
    await sleep(failed ? 4 : round);
  }
}
