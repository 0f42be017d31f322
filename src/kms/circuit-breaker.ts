/** Whether a call may go out: as usual, as the one that tries a key again, or not for `retryAfterMs`. */
export type Admission = 'closed' | 'probe' | { readonly retryAfterMs: number };

interface Misses {
  /** Calls in a row that found the provider away. */
  count: number;
  /** The time, of `performance.now()`, until which the circuit is open; 0 while it is closed. */
  openUntil: number;
  probing: boolean;
}

/**
 * A circuit breaker for each key: after `breakAfter` misses in a row the key is left alone for `breakMs`, then one call at a time may try
 * it, and what that call finds closes the circuit or opens it anew. Only keys that were missed take memory.
 */
export class CircuitBreaker {
  readonly #breakAfter: number;
  readonly #breakMs: number;
  readonly #misses = new Map<string, Misses>();

  constructor(options: { readonly breakAfter: number; readonly breakMs: number }) {
    this.#breakAfter = options.breakAfter;
    this.#breakMs = options.breakMs;
  }

  /** Whoever is admitted calls `answered`, `missed` or `left` afterwards. */
  admit(key: string): Admission {
    const misses = this.#misses.get(key);
    if (misses === undefined || misses.openUntil === 0) return 'closed';
    const retryAfterMs = misses.openUntil - performance.now();
    if (retryAfterMs > 0 || misses.probing) return { retryAfterMs: Math.max(1, retryAfterMs) };
    misses.probing = true;
    return 'probe';
  }

  isOpen(key: string): boolean {
    return (this.#misses.get(key)?.openUntil ?? 0) > 0;
  }

  /** The provider answered, if only to refuse. */
  answered(key: string): void {
    this.#misses.delete(key);
  }

  /** The provider throttled or was away. */
  missed(key: string, admission: Admission): void {
    const misses = this.#misses.get(key) ?? { count: 0, openUntil: 0, probing: false };
    this.#misses.set(key, misses);
    misses.count += 1;
    if (admission === 'probe') misses.probing = false;
    // A call that was admitted before the circuit opened does not keep it open for longer.
    if (admission === 'probe' || (misses.openUntil === 0 && misses.count >= this.#breakAfter))
      misses.openUntil = performance.now() + this.#breakMs;
  }

  /** The call was given up before anything was heard. */
  left(key: string, admission: Admission): void {
    const misses = this.#misses.get(key);
    if (admission === 'probe' && misses !== undefined) misses.probing = false;
  }
}
