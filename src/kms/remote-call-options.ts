import { ConfigurationError } from '../errors.ts';

/** How a key manager behind a network treats its provider: the same options for every cloud. All times in milliseconds. */
export interface RemoteCallOptions {
  /** How long a call may take with all its attempts and the waits between them; 8,000 unless told. Then it fails as `unavailable`. */
  readonly deadlineMs?: number | undefined;
  /** How long one attempt may take; 2,500 unless told. */
  readonly attemptMs?: number | undefined;
  /** How often a call is tried in all while the provider throttles or is unavailable; 4 unless told, 1 for never again. */
  readonly attempts?: number | undefined;
  /** The longest wait before the second attempt; 50 unless told. It doubles with each further one, and the wait is random below it. */
  readonly backoffMs?: number | undefined;
  /** What the longest wait never exceeds; 2,000 unless told. A provider that asks for a longer one gets it, within the deadline. */
  readonly maxBackoffMs?: number | undefined;
  /** After how many calls in a row, throttled or unavailable for one KEK, it is left alone; 5 unless told, `Infinity` for never. */
  readonly breakAfter?: number | undefined;
  /** How long it is left alone before one call may try it again; 5,000 unless told. */
  readonly breakMs?: number | undefined;
}

/** {@link RemoteCallOptions} with every default filled in. */
export type RemoteCallSettings = { readonly [Name in keyof RemoteCallOptions]-?: number };

/** @throws {ConfigurationError} when a time is not above 0, or a count not a whole number from 1 */
export function remoteCallSettings(options: RemoteCallOptions): RemoteCallSettings {
  const settings: RemoteCallSettings = {
    deadlineMs: options.deadlineMs ?? 8_000,
    attemptMs: options.attemptMs ?? 2_500,
    attempts: options.attempts ?? 4,
    backoffMs: options.backoffMs ?? 50,
    maxBackoffMs: options.maxBackoffMs ?? 2_000,
    breakAfter: options.breakAfter ?? 5,
    breakMs: options.breakMs ?? 5_000,
  };
  for (const name of ['deadlineMs', 'attemptMs', 'backoffMs', 'maxBackoffMs', 'breakMs'] as const) {
    if (!(settings[name] > 0 && settings[name] <= longestMs)) throw invalid(name, `a time in milliseconds, above 0 and up to ${longestMs}`);
  }
  if (!(Number.isInteger(settings.attempts) && settings.attempts >= 1)) throw invalid('attempts', 'a whole number from 1');
  if (!((Number.isInteger(settings.breakAfter) || settings.breakAfter === Infinity) && settings.breakAfter >= 1))
    throw invalid('breakAfter', 'a whole number from 1, or Infinity');
  return Object.freeze(settings);
}

/** An hour: a timer takes no more than 2³¹ ms and would fire at once, and nobody waits that long for a key. */
const longestMs = 3_600_000;

function invalid(name: string, wanted: string): ConfigurationError {
  return new ConfigurationError(`The key manager’s option ${name} is not ${wanted}.`);
}
