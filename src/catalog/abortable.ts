import { AbortedError } from '../errors.ts';

/**
 * Waits for shared work until this caller's signal ends its wait; the work itself goes on for the others.
 *
 * @throws {AbortedError} when the signal came first
 */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined, attempt: string, tenantId?: string): Promise<T> {
  if (signal === undefined) return await work;
  const aborted = (): AbortedError => new AbortedError(`${attempt} was aborted.`, { tenantId, cause: signal.reason });
  if (signal.aborted) {
    work.catch(() => {});
    throw aborted();
  }
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(aborted());
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
