import type { KeyManagerFailure } from '../errors.ts';
import { networkFailure } from './network-failure.ts';
import type { RemoteFailure } from './remote-calls.ts';

/** The statuses of Google's APIs, in the order of gRPC's codes, and what each means. */
const statuses: readonly (readonly [string, KeyManagerFailure])[] = [
  ['OK', 'unavailable'],
  ['CANCELLED', 'unavailable'],
  ['UNKNOWN', 'unavailable'],
  // Only an unwrap knows that it means the bytes, and says so itself.
  ['INVALID_ARGUMENT', 'denied'],
  ['DEADLINE_EXCEEDED', 'unavailable'],
  ['NOT_FOUND', 'notFound'],
  ['ALREADY_EXISTS', 'unavailable'],
  ['PERMISSION_DENIED', 'denied'],
  ['RESOURCE_EXHAUSTED', 'throttled'],
  ['FAILED_PRECONDITION', 'disabled'],
  ['ABORTED', 'unavailable'],
  ['OUT_OF_RANGE', 'unavailable'],
  ['UNIMPLEMENTED', 'unavailable'],
  ['INTERNAL', 'unavailable'],
  ['UNAVAILABLE', 'unavailable'],
  ['DATA_LOSS', 'unavailable'],
  ['UNAUTHENTICATED', 'denied'],
];
const reasons: ReadonlyMap<string, KeyManagerFailure> = new Map(statuses);

/** Statuses that mean `unavailable` and stay so. */
const lasting: ReadonlySet<string> = new Set(['ALREADY_EXISTS', 'OUT_OF_RANGE', 'UNIMPLEMENTED']);

/** What a version's state means for work that needs it enabled. */
const states: Readonly<Record<string, KeyManagerFailure>> = {
  DISABLED: 'disabled',
  DESTROY_SCHEDULED: 'pendingDeletion',
  PENDING_EXTERNAL_DESTRUCTION: 'pendingDeletion',
  DESTROYED: 'notFound',
  PENDING_GENERATION: 'unavailable',
  PENDING_IMPORT: 'unavailable',
};

/** What an error of the Google SDK means. Its words are read for a key's state and a checksum, and never passed on. */
export function gcpFailure(error: unknown): RemoteFailure | undefined {
  if (!(error instanceof Error)) return undefined;
  const { status, message } = statusOf(error);
  const reason = reasons.get(status);
  if (reason === undefined) return networkFailure(error) ?? credentialsFailure(error);
  if (status === 'INVALID_ARGUMENT' && !refusesArgument(error)) return { reason: 'unavailable', detail: 'what was sent arrived changed' };
  if (status === 'FAILED_PRECONDITION') {
    const state = /current state is:? (\w+)/i.exec(message)?.[1]?.toUpperCase() ?? '';
    return { reason: states[state] ?? reason, detail: state in states ? `its version is ${state}` : status };
  }
  if (status === 'RESOURCE_EXHAUSTED') return { reason, detail: status, hint: 'Ask Google for a higher quota of cryptographic requests.' };
  return lasting.has(status) ? { reason, detail: status, retryable: false } : { reason, detail: status };
}

/** Whether Google refuses an argument for what it is, not for having arrived changed. */
export function refusesArgument(error: unknown): boolean {
  const { status, message } = statusOf(error);
  return status === 'INVALID_ARGUMENT' && !/crc32c|checksum/i.test(message);
}

/** Whether what is to be made is there already. */
export function alreadyExists(error: unknown): boolean {
  return statusOf(error).status === 'ALREADY_EXISTS';
}

/** Over gRPC the code is gRPC's; over REST it is HTTP's, and the message is the body of the answer. */
function statusOf(error: unknown): { readonly status: string; readonly message: string } {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const words = String(message);
  if (typeof code !== 'number') return { status: '', message: words };
  if (code < 100) return { status: statuses[code]?.[0] ?? '', message: words };
  try {
    const { error: told } = JSON.parse(words) as { error: { status?: unknown; message?: unknown } };
    if (typeof told.status === 'string' && reasons.has(told.status)) return { status: told.status, message: String(told.message) };
  } catch {
    // A proxy's answer, say: it proves nothing of a key.
  }
  return { status: code === 429 ? 'RESOURCE_EXHAUSTED' : 'UNAVAILABLE', message: '' };
}

/** The client that finds credentials gives its errors no codes. */
function credentialsFailure(error: Error): RemoteFailure | undefined {
  if (!/credentials|invalid_grant|universe domain/i.test(error.message)) return undefined;
  return {
    reason: 'denied',
    detail: 'no credentials that Google takes',
    hint: 'Set up application default credentials, or give clientOptions.',
  };
}
