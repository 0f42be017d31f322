/** The parts of a process that {@link abortOnSignals} uses. */
export interface SignalSource {
  on(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  exit(code: number): void;
}

/**
 * An AbortSignal that SIGINT and SIGTERM trigger; the second signal ends the process at once, with 128 plus the signal's number.
 *
 * @param onFirst called at the first signal, to tell people that the work is being ended in order
 */
export function abortOnSignals(source: SignalSource, onFirst: () => void): AbortSignal {
  const controller = new AbortController();
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    source.on(name, () => {
      if (controller.signal.aborted) return source.exit(code);
      controller.abort();
      onFirst();
    });
  }
  return controller.signal;
}
