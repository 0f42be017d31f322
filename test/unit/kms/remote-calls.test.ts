import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AbortedError, ClosedError, ConfigurationError, KeyManagerError, type KeyManagerFailure } from '../../../src/errors.ts';
import type { RemoteCallOptions } from '../../../src/kms/remote-call-options.ts';
import { RemoteCalls, type RemoteFailure } from '../../../src/kms/remote-calls.ts';

/** What a provider's SDK would throw: it carries what must never be passed on. */
class SdkError extends Error {
  readonly failure: RemoteFailure;
  constructor(reason: KeyManagerFailure, more: Omit<RemoteFailure, 'reason'> = {}) {
    super('body: c2VjcmV0LWRhdGEta2V5');
    this.failure = { reason, ...more };
  }
}

const request = { doing: 'unwrap', keyRef: 'key-1', tenantId: 'tenant-100' };

const callsWith = (options: RemoteCallOptions = {}): RemoteCalls =>
  new RemoteCalls({
    provider: 'cloud/here',
    classify: (error) => (error instanceof SdkError ? error.failure : undefined),
    ...options,
  });

/** Work that fails as told, attempt by attempt, and then succeeds. */
function failing(...failures: readonly (KeyManagerFailure | SdkError)[]): { readonly work: () => Promise<string>; attempts: number } {
  const subject = {
    attempts: 0,
    work: async () => {
      const failure = failures[subject.attempts];
      subject.attempts += 1;
      if (failure !== undefined) throw failure instanceof SdkError ? failure : new SdkError(failure);
      return 'done';
    },
  };
  return subject;
}

const never = (): Promise<never> => new Promise(() => {});
const always = (reason: KeyManagerFailure) => async (): Promise<never> => {
  throw new SdkError(reason);
};

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Runs the work's timers to their end. */
async function settled<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  await vi.runAllTimersAsync();
  return work;
}

describe('RemoteCalls, attempts', () => {
  it('tries again while the provider throttles or is away', async () => {
    const subject = failing('throttled', 'unavailable', 'throttled');
    expect(await settled(callsWith().run(request, subject.work))).toBe('done');
    expect(subject.attempts).toBe(4);
  });

  it('gives up after its attempts, with the last reason', async () => {
    const subject = failing('throttled', 'throttled', 'unavailable', 'throttled');
    await expect(settled(callsWith({ attempts: 3 }).run(request, subject.work))).rejects.toMatchObject({
      reason: 'unavailable',
      retryable: true,
      tenantId: 'tenant-100',
    });
    expect(subject.attempts).toBe(3);
  });

  it.each(['denied', 'disabled', 'pendingDeletion', 'notFound', 'wrongKey', 'invalidCiphertext'] as const)(
    'takes %s for an answer',
    async (reason) => {
      const subject = failing(reason);
      await expect(settled(callsWith().run(request, subject.work))).rejects.toMatchObject({ reason, retryable: false });
      expect(subject.attempts).toBe(1);
    },
  );

  it('does not try again what stays so', async () => {
    const subject = failing(new SdkError('throttled', { retryable: false, hint: 'Ask for more.' }));
    await expect(settled(callsWith().run(request, subject.work))).rejects.toMatchObject({ retryable: false, hint: 'Ask for more.' });
    expect(subject.attempts).toBe(1);
  });

  it('repeats what must not be done twice only where it surely was not done', async () => {
    const throttled = failing('throttled');
    expect(await settled(callsWith().run({ ...request, repeatable: false }, throttled.work))).toBe('done');
    const lost = failing('unavailable');
    await expect(settled(callsWith().run({ ...request, repeatable: false }, lost.work))).rejects.toMatchObject({ reason: 'unavailable' });
    expect(lost.attempts).toBe(1);
  });

  it('waits at random below a ceiling that doubles up to its own', async () => {
    const waits: number[] = [];
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    let last = performance.now();
    const work = async (): Promise<never> => {
      waits.push(Math.round(performance.now() - last));
      last = performance.now();
      throw new SdkError('throttled');
    };
    await failureOf(settled(callsWith({ attempts: 6, backoffMs: 100, maxBackoffMs: 500 }).run(request, work)));
    expect(waits).toEqual([0, 50, 100, 200, 250, 250]);
  });

  it('waits as long as the provider asks, and not at all when that is past the deadline', async () => {
    const patient = failing(new SdkError('throttled', { retryAfterMs: 3_000 }));
    const start = performance.now();
    await settled(callsWith().run(request, patient.work));
    expect(performance.now() - start).toBe(3_000);
    const late = failing(new SdkError('throttled', { retryAfterMs: 60_000 }));
    const begun = performance.now();
    await expect(settled(callsWith().run(request, late.work))).rejects.toMatchObject({ reason: 'throttled' });
    expect(performance.now() - begun).toBe(0);
  });

  it('ends an attempt, and at last the call, that gets no answer', async () => {
    const signals: AbortSignal[] = [];
    const start = performance.now();
    const call = callsWith({ deadlineMs: 5_000, attemptMs: 2_000, attempts: 10 }).run(request, (signal) => {
      signals.push(signal);
      return never();
    });
    await expect(settled(call)).rejects.toMatchObject({ reason: 'unavailable' });
    expect(performance.now() - start).toBeLessThanOrEqual(5_000);
    expect(signals).toHaveLength(3);
    expect(signals.every((signal) => signal.aborted)).toBe(true);
  });

  it('lets what must not be done twice take its whole deadline', async () => {
    const call = callsWith({ deadlineMs: 5_000, attemptMs: 1_000 }).run(
      { ...request, repeatable: false },
      () => new Promise((resolve) => setTimeout(() => resolve('slow'), 4_000)),
    );
    expect(await settled(call)).toBe('slow');
  });

  it('passes on nothing of the SDK’s error, nor of one that it does not know', async () => {
    for (const work of [always('denied'), async () => Promise.reject(new Error('Unexpected token: c2VjcmV0LWRhdGEta2V5'))]) {
      const error = (await failureOf(settled(callsWith().run(request, work)))) as KeyManagerError;
      expect(error).toBeInstanceOf(KeyManagerError);
      expect(error.cause).toBeUndefined();
      expect(`${error.stack}${JSON.stringify(error)}`).not.toContain('c2VjcmV0');
    }
  });

  it('does not try again after an error that nobody knows', async () => {
    let attempts = 0;
    const work = async (): Promise<never> => {
      attempts += 1;
      throw new TypeError('x is not a function');
    };
    await expect(settled(callsWith().run(request, work))).rejects.toMatchObject({ reason: 'unavailable', retryable: false });
    expect(attempts).toBe(1);
  });

  it('lets the adapter’s own verdict through as it is', async () => {
    const verdict = new KeyManagerError('Another key answered.', { reason: 'wrongKey' });
    expect(await failureOf(settled(callsWith().run(request, () => Promise.reject(verdict))))).toBe(verdict);
    const mistake = new ConfigurationError('No SDK.');
    expect(await failureOf(settled(callsWith().run(request, () => Promise.reject(mistake))))).toBe(mistake);
  });
});

describe('RemoteCalls, identical calls', () => {
  it('are one while it is on its way, and another afterwards', async () => {
    const calls = callsWith();
    let sent = 0;
    const work = async (): Promise<number> => {
      sent += 1;
      await new Promise((resolve) => setTimeout(resolve, 10));
      return sent;
    };
    const shared = { ...request, share: 'same' };
    expect(await settled(Promise.all(Array.from({ length: 50 }, () => calls.run(shared, work))))).toEqual(Array(50).fill(1));
    expect(await settled(calls.run(shared, work))).toBe(2);
  });

  it('are told apart by what they share and what they do, and are none without a name', async () => {
    const calls = callsWith();
    let sent = 0;
    const work = async (): Promise<number> => {
      sent += 1;
      return sent;
    };
    await settled(
      Promise.all([
        calls.run({ ...request, share: 'a' }, work),
        calls.run({ ...request, share: 'b' }, work),
        calls.run({ ...request, doing: 'describe', share: 'a' }, work),
        calls.run(request, work),
        calls.run(request, work),
      ]),
    );
    expect(sent).toBe(5);
  });

  it('go on for the others when one caller’s signal fires, and end with the last', async () => {
    const calls = callsWith();
    const [first, second] = [new AbortController(), new AbortController()];
    let heard: AbortSignal | undefined;
    let finish = (_: string): void => {};
    const work = (signal: AbortSignal): Promise<string> => {
      heard = signal;
      return new Promise((resolve) => {
        finish = resolve;
      });
    };
    const shared = { ...request, share: 'same' };
    const [one, two, three] = [first.signal, second.signal, undefined].map((signal) => calls.run({ ...shared, signal }, work));
    await Promise.resolve();
    first.abort(new Error('gone'));
    await expect(one).rejects.toBeInstanceOf(AbortedError);
    expect(heard?.aborted).toBe(false);
    finish('kept');
    expect(await Promise.all([two, three])).toEqual(['kept', 'kept']);

    const [last, other] = [new AbortController(), new AbortController()];
    const ending = [last.signal, other.signal].map((signal) => calls.run({ ...shared, signal }, work));
    await Promise.resolve();
    last.abort();
    expect(heard?.aborted).toBe(false);
    other.abort();
    for (const call of ending) await expect(call).rejects.toBeInstanceOf(AbortedError);
    await vi.runAllTimersAsync();
    expect(heard?.aborted).toBe(true);
    const anew = calls.run(shared, async () => 'anew');
    expect(await settled(anew)).toBe('anew');
  });

  it('refuses a signal that has fired already, without any work', async () => {
    const subject = failing();
    await expect(callsWith().run({ ...request, signal: AbortSignal.abort() }, subject.work)).rejects.toBeInstanceOf(AbortedError);
    expect(subject.attempts).toBe(0);
  });

  it('never keep a failure: whatever came before, a call gets what the provider says now', async () => {
    const answers = fc.array(fc.constantFrom('ok', 'denied', 'disabled', 'notFound', 'invalidCiphertext', 'unavailable' as const), {
      minLength: 1,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(answers, fc.integer({ min: 1, max: 4 }), async (sequence, callers) => {
        const calls = callsWith({ attempts: 1, breakAfter: Infinity });
        for (const answer of sequence) {
          const work = async (): Promise<string> => {
            if (answer !== 'ok') throw new SdkError(answer as KeyManagerFailure);
            return 'ok';
          };
          const results = await settled(
            Promise.all(
              Array.from({ length: callers }, () =>
                calls.run({ ...request, share: 'same' }, work).catch((error: KeyManagerError) => error.reason),
              ),
            ),
          );
          expect(results).toEqual(Array(callers).fill(answer));
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('RemoteCalls, circuit breaker', () => {
  const open = async (calls: RemoteCalls, keyRef = 'key-1'): Promise<void> => {
    for (let i = 0; i < 3; i += 1) await failureOf(settled(calls.run({ ...request, keyRef }, always('unavailable'))));
  };
  const options = { attempts: 1, breakAfter: 3, breakMs: 1_000 };

  it('leaves a key alone after calls in a row that found the provider away, and no other key', async () => {
    const calls = callsWith(options);
    await open(calls);
    const subject = failing();
    await expect(calls.run(request, subject.work)).rejects.toMatchObject({ reason: 'unavailable', retryable: true });
    expect(subject.attempts).toBe(0);
    expect(await settled(calls.run({ ...request, keyRef: 'key-2' }, subject.work))).toBe('done');
    expect(await settled(calls.run({ doing: 'create a key' }, subject.work))).toBe('done');
  });

  it('lets through what ends a key’s use', async () => {
    const calls = callsWith(options);
    await open(calls);
    expect(await settled(calls.run({ ...request, doing: 'disable', always: true }, failing().work))).toBe('done');
  });

  it('counts in a row only: an answer, if a refusal, starts anew', async () => {
    const calls = callsWith(options);
    for (let i = 0; i < 4; i += 1) {
      await failureOf(settled(calls.run(request, always('throttled'))));
      await failureOf(settled(calls.run(request, always('unavailable'))));
      await failureOf(settled(calls.run(request, always(i % 2 === 0 ? 'denied' : 'disabled'))));
    }
    expect(await settled(calls.run(request, failing().work))).toBe('done');
  });

  it('lets one call try after a while; what that finds closes or opens it', async () => {
    const calls = callsWith({ ...options, attempts: 4 });
    await open(calls);
    await vi.advanceTimersByTimeAsync(1_001);
    const failed = failing('unavailable');
    const [probe, beside] = [calls.run(request, failed.work), calls.run(request, failed.work)];
    await expect(beside).rejects.toMatchObject({ reason: 'unavailable' });
    await expect(probe).rejects.toMatchObject({ reason: 'unavailable' });
    expect(failed.attempts).toBe(1);
    const early = failing();
    await failureOf(calls.run(request, early.work));
    expect(early.attempts).toBe(0);
    await vi.advanceTimersByTimeAsync(1_001);
    expect(await settled(calls.run(request, early.work))).toBe('done');
    expect(await settled(Promise.all([calls.run(request, early.work), calls.run(request, early.work)]))).toEqual(['done', 'done']);
  });

  it('lets another call try when the one that tried was given up', async () => {
    const calls = callsWith(options);
    await open(calls);
    await vi.advanceTimersByTimeAsync(1_001);
    const abort = new AbortController();
    const probe = calls.run({ ...request, signal: abort.signal }, never);
    await Promise.resolve();
    abort.abort();
    await expect(probe).rejects.toBeInstanceOf(AbortedError);
    expect(await settled(calls.run(request, failing().work))).toBe('done');
  });

  it('ends the further attempts of calls that were on their way when it opened', async () => {
    const calls = callsWith({ attempts: 4, breakAfter: 1, breakMs: 60_000 });
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const slow = failing('unavailable', 'unavailable', 'unavailable', 'unavailable');
    const first = calls.run(request, slow.work);
    first.catch(() => {});
    await vi.advanceTimersByTimeAsync(1);
    await failureOf(calls.run({ ...request, repeatable: false }, always('unavailable')));
    await expect(settled(first)).rejects.toMatchObject({ reason: 'unavailable' });
    expect(slow.attempts).toBe(2);
  });
});

describe('RemoteCalls, closed', () => {
  it('ends what is on its way, in attempts or between them, and takes nothing more', async () => {
    const calls = callsWith();
    let heard: AbortSignal | undefined;
    const running = calls.run(request, (signal) => {
      heard = signal;
      return never();
    });
    const waiting = calls.run(request, always('throttled'));
    await vi.advanceTimersByTimeAsync(1);
    calls.close();
    calls.close();
    await expect(running).rejects.toBeInstanceOf(ClosedError);
    await expect(waiting).rejects.toBeInstanceOf(ClosedError);
    expect(heard?.aborted).toBe(true);
    await expect(calls.run(request, failing().work)).rejects.toBeInstanceOf(ClosedError);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('RemoteCalls, options', () => {
  it.each([
    { deadlineMs: 0 },
    { attemptMs: Number.NaN },
    { attempts: 1.5 },
    { attempts: 0 },
    { breakAfter: 0 },
    { breakMs: -1 },
    { maxBackoffMs: Infinity },
  ])('refuses %j', (options) => {
    expect(() => callsWith(options)).toThrow(ConfigurationError);
  });
});
