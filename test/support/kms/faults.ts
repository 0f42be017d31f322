import type { ServiceError } from './service-error.ts';

/**
 * What a server does instead of, or to, its work: answer with an error, never answer, end the connection, answer with text that is none
 * of its protocol's, or change what it was about to answer.
 */
export type Fault =
  | { readonly error: ServiceError }
  | { readonly hang: true }
  | { readonly drop: true }
  | { readonly garbage: string; readonly status?: number }
  | { readonly lie: (answer: Record<string, unknown>) => Record<string, unknown> };

/** The faults that a server was told of, by operation, in order; each is used up by one request. */
export class Faults {
  readonly #waiting = new Map<string, Fault[]>();

  /** The next `times` requests for the operation meet it. */
  next(operation: string, fault: Fault, times = 1): void {
    const waiting = this.#waiting.get(operation) ?? [];
    for (let i = 0; i < times; i += 1) waiting.push(fault);
    this.#waiting.set(operation, waiting);
  }

  take(operation: string): Fault | undefined {
    return this.#waiting.get(operation)?.shift();
  }

  clear(): void {
    this.#waiting.clear();
  }
}
