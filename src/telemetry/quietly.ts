/** Calls what belongs to somebody else: whatever it throws, or rejects with later, is dropped, since no query may fail by being watched. */
export function quietly(call: () => unknown): void {
  try {
    const answer = call();
    if (answer instanceof Promise) answer.catch(() => {});
  } catch {
    // Dropped.
  }
}
