import { AbortedError, ClosedError, KeyManagerError, type KeyManagerFailure, TenancyError } from '../errors.ts';
import { type Admission, CircuitBreaker } from './circuit-breaker.ts';
import { type RemoteCallOptions, type RemoteCallSettings, remoteCallSettings } from './remote-call-options.ts';

/** What a provider's error means. */
export interface RemoteFailure {
  readonly reason: KeyManagerFailure;
  /** How long the provider asks to be left alone, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** The provider's name for it, its status and request id: ends up in the message, so it may hold neither bodies nor the SDK's own words. */
  readonly detail?: string | undefined;
  /** What to do next, where it is known: one sentence. */
  readonly hint?: string | undefined;
  /** False for what stays so however often it is asked, such as a quota of keys that is used up; as the reason says unless told. */
  readonly retryable?: boolean | undefined;
}

export interface RemoteCallsOptions extends RemoteCallOptions {
  /** The key manager's provider name, for messages. */
  readonly provider: string;
  /** What an error of the provider's SDK means; undefined when it is none of the SDK's. */
  readonly classify: (error: unknown) => RemoteFailure | undefined;
}

/** One call of a key manager. */
export interface RemoteRequest {
  /** The KEK it is about; its circuit breaker decides. Undefined where there is none yet. */
  readonly keyRef?: string | undefined;
  /** What is done, for messages: `unwrap`. */
  readonly doing: string;
  readonly tenantId?: string | undefined;
  /** Ends this caller's wait; work that others wait for goes on. */
  readonly signal?: AbortSignal | undefined;
  /** Calls with the same words, made while the first is on its way, get its result: name everything that it depends on. */
  readonly share?: string | undefined;
  /**
   * Whether the work may be done twice, when nobody knows whether an attempt arrived; true unless told. With false only a throttled
   * attempt, which did nothing, is followed by another, and an attempt may take as long as the call.
   */
  readonly repeatable?: boolean | undefined;
  /** Whether it goes out although the key is left alone: what ends a key's use must not wait. */
  readonly always?: boolean | undefined;
}

/** Work on its way: its end, and how many wait for it. */
interface Flight {
  readonly result: Promise<unknown>;
  readonly abort: AbortController;
  waiters: number;
}

/**
 * What every call over a network needs: a deadline, bounded attempts with full jitter, one flight for identical calls, a circuit breaker
 * for each key, signals, and typed errors. Nothing is kept once a flight has ended, failures least of all.
 *
 * The SDK's error is read by `classify` and dropped, never passed on as `cause`: SDK errors hold requests and responses, which is where
 * data keys are.
 *
 * @example
 * ```ts
 * const calls = new RemoteCalls({ provider: 'aws/us-east-1', classify: awsFailure });
 * const key = await calls.run({ doing: 'unwrap', keyRef, share: identityOf(wrapped, context) }, (signal) => decrypt(signal));
 * ```
 */
export class RemoteCalls {
  readonly #provider: string;
  readonly #classify: RemoteCallsOptions['classify'];
  readonly #settings: RemoteCallSettings;
  readonly #breaker: CircuitBreaker;
  readonly #flights = new Set<Flight>();
  readonly #shared = new Map<string, Flight>();
  #closed = false;

  /** @throws {ConfigurationError} for a time or count that can't be used */
  constructor(options: RemoteCallsOptions) {
    this.#provider = options.provider;
    this.#classify = options.classify;
    this.#settings = remoteCallSettings(options);
    this.#breaker = new CircuitBreaker(this.#settings);
  }

  /**
   * @param work one attempt; its signal fires when nobody waits any more or its time is over
   * @throws {KeyManagerError} what `classify` made of the last attempt, `unavailable` where that is unknown
   * @throws {AbortedError} when the request's signal fired
   * @throws {ClosedError} after `close`, and from calls that it found on their way
   */
  async run<T>(request: RemoteRequest, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#closed) throw this.#closedError(request);
    if (request.signal?.aborted === true) throw this.#abortedError(request);
    return (await this.#wait(this.#join(request, work), request)) as T;
  }

  /** Ends everything that is on its way with {@link ClosedError}. Safe to call twice. */
  close(): void {
    this.#closed = true;
    for (const flight of this.#flights) flight.abort.abort();
  }

  #join(request: RemoteRequest, work: (signal: AbortSignal) => Promise<unknown>): Flight {
    const share = request.share === undefined ? undefined : `${request.doing} ${request.share}`;
    const running = share === undefined ? undefined : this.#shared.get(share);
    if (running !== undefined && !running.abort.signal.aborted) return running;
    const abort = new AbortController();
    const flight: Flight = {
      abort,
      waiters: 0,
      // In a microtask of its own, so that the flight is registered before anything of it runs.
      result: Promise.resolve()
        .then(() => this.#attempts(request, work, abort.signal))
        .finally(() => {
          this.#flights.delete(flight);
          if (share !== undefined && this.#shared.get(share) === flight) this.#shared.delete(share);
        }),
    };
    // Whoever waits hears of it; when nobody does any more, nobody needs to.
    flight.result.catch(() => {});
    this.#flights.add(flight);
    if (share !== undefined) this.#shared.set(share, flight);
    return flight;
  }

  async #wait(flight: Flight, request: RemoteRequest): Promise<unknown> {
    flight.waiters += 1;
    const { signal } = request;
    let stop = (): void => {};
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(this.#abortedError(request));
      signal?.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([flight.result, stopped]);
    } finally {
      signal?.removeEventListener('abort', stop);
      flight.waiters -= 1;
      if (flight.waiters === 0) flight.abort.abort();
    }
  }

  async #attempts<T>(request: RemoteRequest, work: (signal: AbortSignal) => Promise<T>, ended: AbortSignal): Promise<T> {
    const { deadlineMs, attemptMs, attempts } = this.#settings;
    const endsAt = performance.now() + deadlineMs;
    const admission = this.#admit(request);
    const repeatable = request.repeatable !== false;
    for (let attempt = 1; ; attempt += 1) {
      const left = endsAt - performance.now();
      try {
        const result = await within(work, repeatable ? Math.min(left, attemptMs) : left, ended);
        this.#note(request, admission, false);
        return result;
      } catch (error) {
        if (ended.aborted) {
          this.#leave(request, admission);
          throw this.#closed ? this.#closedError(request) : this.#abortedError(request);
        }
        if (error instanceof TenancyError && !(error instanceof KeyManagerError)) {
          this.#leave(request, admission);
          throw error;
        }
        const failure = this.#read(error);
        const away = failure.reason === 'throttled' || failure.reason === 'unavailable';
        const again = failure.reason === 'throttled' || (away && repeatable);
        const waitMs = Math.max(failure.retryAfterMs ?? 0, this.#jitter(attempt));
        // Somebody else's calls may have opened the circuit meanwhile; and a probe is one attempt, not a series of them.
        const pointless = attempt >= attempts || admission === 'probe' || this.#isOpen(request) || performance.now() + waitMs >= endsAt;
        if (!away || !again || failure.retryable === false || pointless) {
          this.#note(request, admission, away && failure.retryable !== false);
          throw error instanceof KeyManagerError ? error : this.#error(request, failure);
        }
        await pause(waitMs, ended);
      }
    }
  }

  #admit(request: RemoteRequest): Admission {
    if (request.keyRef === undefined || request.always === true) return 'closed';
    const admission = this.#breaker.admit(request.keyRef);
    if (typeof admission === 'string') return admission;
    throw this.#error(request, {
      reason: 'unavailable',
      detail: `its last calls went unanswered, so it is left alone for ${Math.ceil(admission.retryAfterMs)} ms more`,
    });
  }

  #isOpen(request: RemoteRequest): boolean {
    return request.keyRef !== undefined && request.always !== true && this.#breaker.isOpen(request.keyRef);
  }

  #note(request: RemoteRequest, admission: Admission, missed: boolean): void {
    if (request.keyRef === undefined) return;
    if (missed) this.#breaker.missed(request.keyRef, admission);
    else this.#breaker.answered(request.keyRef);
  }

  #leave(request: RemoteRequest, admission: Admission): void {
    if (request.keyRef !== undefined) this.#breaker.left(request.keyRef, admission);
  }

  #jitter(attempt: number): number {
    const { backoffMs, maxBackoffMs } = this.#settings;
    return Math.random() * Math.min(maxBackoffMs, backoffMs * 2 ** (attempt - 1));
  }

  #read(error: unknown): RemoteFailure {
    if (error instanceof Overdue) return { reason: 'unavailable', detail: `no answer within ${Math.round(error.ms)} ms` };
    if (error instanceof KeyManagerError) return { reason: error.reason, retryable: error.retryable };
    return this.#classify(error) ?? { reason: 'unavailable', retryable: false, detail: error instanceof Error ? error.name : typeof error };
  }

  #error(request: RemoteRequest, { reason, detail, hint, retryable }: RemoteFailure): KeyManagerError {
    const { doing, keyRef, tenantId } = request;
    const key = keyRef === undefined ? '' : ` with the key ${JSON.stringify(keyRef)}`;
    const work = tenantId === undefined ? '' : ` for tenant ${tenantId}`;
    return new KeyManagerError(
      `${this.#provider} could not ${doing}${key}${work} (${reason})${detail === undefined ? '' : `: ${detail}`}.`,
      {
        reason,
        tenantId,
        hint,
        ...(retryable === undefined ? {} : { retryable }),
      },
    );
  }

  #closedError({ doing, tenantId }: RemoteRequest): ClosedError {
    return new ClosedError(`${this.#provider} was asked to ${doing} with a key manager that is closed.`, { tenantId });
  }

  #abortedError({ doing, tenantId, signal }: RemoteRequest): AbortedError {
    return new AbortedError(`Waiting for ${this.#provider} to ${doing} was aborted.`, { tenantId, cause: signal?.reason });
  }
}

/** An attempt took too long. */
class Overdue extends Error {
  readonly ms: number;
  constructor(ms: number) {
    super();
    this.ms = ms;
  }
}

/** One attempt, given up when its time or its flight is over, whether or not it heeds its signal. */
async function within<T>(work: (signal: AbortSignal) => Promise<T>, ms: number, ended: AbortSignal): Promise<T> {
  ended.throwIfAborted();
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let stop = (): void => {};
  const over = new Promise<never>((_, reject) => {
    stop = () => reject(ended.reason);
    ended.addEventListener('abort', stop, { once: true });
    timer = setTimeout(() => reject(new Overdue(ms)), Math.max(0, ms));
  });
  try {
    return await Promise.race([work(abort.signal), over]);
  } finally {
    clearTimeout(timer);
    ended.removeEventListener('abort', stop);
    abort.abort();
  }
}

/** Waits, less long when the flight ends meanwhile. */
async function pause(ms: number, ended: AbortSignal): Promise<void> {
  if (ended.aborted) return;
  let timer: NodeJS.Timeout | undefined;
  let stop = (): void => {};
  await new Promise<void>((resolve) => {
    stop = resolve;
    ended.addEventListener('abort', stop, { once: true });
    timer = setTimeout(resolve, ms);
  });
  clearTimeout(timer);
  ended.removeEventListener('abort', stop);
}
