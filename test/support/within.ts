import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for work no longer than it could take if it doesn't hang; no measure of speed. @returns undefined when it hangs */
export async function within<T>(work: Promise<T>, ms = 60_000): Promise<T | undefined> {
  const timer = new AbortController();
  const waited = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    return await Promise.race([work, waited]);
  } finally {
    timer.abort();
  }
}
