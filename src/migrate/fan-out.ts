/** How many at a time, and when to stop. */
export interface FanOutOptions<R> {
  /** How many run at a time. */
  readonly concurrency: number;
  /** Stops starting; what runs is waited for. */
  readonly signal?: AbortSignal | undefined;
  /** Whether to start no more after this result. */
  readonly stopAfter?: ((result: R) => boolean) | undefined;
}

/**
 * Runs one action over many items, some at a time, started in their order. An action that throws stops the others from starting and is
 * thrown when those that run have ended.
 *
 * @returns the results in the items' order; undefined for those that were never started
 */
export async function fanOut<T, R>(
  items: readonly T[],
  action: (item: T) => Promise<R>,
  options: FanOutOptions<R>,
): Promise<readonly (R | undefined)[]> {
  const results: (R | undefined)[] = new Array<R | undefined>(items.length).fill(undefined);
  let next = 0;
  let stopped = false;
  const work = async (): Promise<void> => {
    while (!stopped && next < items.length && options.signal?.aborted !== true) {
      const i = next;
      next += 1;
      try {
        const result = await action(items[i]!);
        results[i] = result;
        if (options.stopAfter?.(result) === true) stopped = true;
      } catch (error) {
        stopped = true;
        throw error;
      }
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: Math.min(options.concurrency, items.length) }, work));
  const failed = settled.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return results;
}
