import { KeyManagerError, type KeyManagerFailure } from '../errors.ts';

/** What a return value of PKCS #11 means; every other one means `unavailable`. */
const reasons: Readonly<Record<string, KeyManagerFailure>> = {
  CKR_PIN_INCORRECT: 'denied',
  CKR_PIN_INVALID: 'denied',
  CKR_PIN_LEN_RANGE: 'denied',
  CKR_PIN_EXPIRED: 'denied',
  CKR_PIN_LOCKED: 'denied',
  CKR_USER_PIN_NOT_INITIALIZED: 'denied',
  CKR_USER_TYPE_INVALID: 'denied',
  CKR_USER_ANOTHER_ALREADY_LOGGED_IN: 'denied',
  CKR_TOKEN_WRITE_PROTECTED: 'denied',
  CKR_SESSION_READ_ONLY: 'denied',
  CKR_KEY_FUNCTION_NOT_PERMITTED: 'denied',
  CKR_ACTION_PROHIBITED: 'denied',
  CKR_FUNCTION_REJECTED: 'denied',
};

/** What stays so however often it is asked. */
const lasting: ReadonlySet<string> = new Set([
  'CKR_DEVICE_MEMORY',
  'CKR_MECHANISM_INVALID',
  'CKR_MECHANISM_PARAM_INVALID',
  'CKR_FUNCTION_NOT_SUPPORTED',
  'CKR_TEMPLATE_INCONSISTENT',
  'CKR_ATTRIBUTE_VALUE_INVALID',
  'CKR_ATTRIBUTE_TYPE_INVALID',
]);

/** What tells of a session, login or token that is gone: a new session may well succeed. */
const lost: ReadonlySet<string> = new Set([
  'CKR_CRYPTOKI_NOT_INITIALIZED',
  'CKR_SESSION_HANDLE_INVALID',
  'CKR_SESSION_CLOSED',
  'CKR_USER_NOT_LOGGED_IN',
  'CKR_DEVICE_ERROR',
  'CKR_DEVICE_REMOVED',
  'CKR_TOKEN_NOT_PRESENT',
  'CKR_TOKEN_NOT_RECOGNIZED',
  'CKR_SLOT_ID_INVALID',
  'CKR_OPERATION_ACTIVE',
]);

/** What a token should say to a session that was logged out when it is searched. It shows no private objects then, as if there were none. */
export class LoggedOut extends Error {
  override readonly name = 'Pkcs11Error';
  constructor() {
    super('CKR_USER_NOT_LOGGED_IN');
  }
}

/** The name of the return value that an error of pkcs11js tells of, such as `CKR_PIN_INCORRECT`; undefined when it is none of its. */
export function returnValueOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'Pkcs11Error') return undefined;
  return /^CKR_\w+/.exec(error.message)?.[0] ?? 'CKR_VENDOR_DEFINED';
}

/** Whether a new session may succeed where this failed. */
export function isLost(error: unknown): boolean {
  return lost.has(returnValueOf(error) ?? '');
}

/** The error for a return value. The native one is dropped: it says nothing more, and holds the arguments of nobody knows which call. */
export function pkcs11Failure(doing: string, provider: string, value: string): KeyManagerError {
  const reason = reasons[value] ?? 'unavailable';
  return new KeyManagerError(`${provider} could not ${doing}: ${value}.`, {
    reason,
    retryable: reason === 'unavailable' && !lasting.has(value),
    hint: value.startsWith('CKR_PIN')
      ? 'Give the right PIN and start again: it is not tried twice, because tokens lock themselves.'
      : undefined,
  });
}
