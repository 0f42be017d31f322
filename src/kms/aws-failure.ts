import type { KeyManagerFailure } from '../errors.ts';
import { networkFailure } from './network-failure.ts';
import type { RemoteFailure } from './remote-calls.ts';

/** What AWS KMS's errors mean. `KMSInvalidStateException` is missing: only the key's state tells what it means. */
const reasons: Readonly<Record<string, KeyManagerFailure>> = {
  // KMS throttles with HTTP 400.
  ThrottlingException: 'throttled',
  Throttling: 'throttled',
  TooManyRequestsException: 'throttled',
  RequestLimitExceeded: 'throttled',
  DependencyTimeoutException: 'unavailable',
  KMSInternalException: 'unavailable',
  KeyUnavailableException: 'unavailable',
  CustomKeyStoreInvalidStateException: 'unavailable',
  CloudHsmClusterInvalidConfigurationException: 'unavailable',
  ServiceUnavailable: 'unavailable',
  InternalFailure: 'unavailable',
  DisabledException: 'disabled',
  NotFoundException: 'notFound',
  InvalidArnException: 'notFound',
  CustomKeyStoreNotFoundException: 'notFound',
  IncorrectKeyException: 'wrongKey',
  InvalidKeyUsageException: 'wrongKey',
  InvalidCiphertextException: 'invalidCiphertext',
  // Out of keys, not too fast: waiting does not help.
  LimitExceededException: 'denied',
};

const hints: Readonly<Record<string, string>> = {
  LimitExceededException: 'Ask AWS for a higher quota of keys in this account and region, or delete keys that nothing needs.',
  AccessDeniedException: 'Give this process the IAM permissions of docs/kms-aws.md, and look at the key policy.',
  InvalidSignatureException: 'Look at the secret access key and at this machine’s clock.',
  CustomKeyStoreInvalidStateException: 'Connect the custom key store to its CloudHSM cluster.',
};

/** What an error of @aws-sdk/client-kms means; its message and its request stay behind. */
export function awsFailure(error: unknown): RemoteFailure | undefined {
  const { name, $metadata: metadata } = error as { name?: unknown; $metadata?: Metadata };
  if (typeof name !== 'string') return undefined;
  const status = metadata?.httpStatusCode;
  // The SDK took the service's clock from the refusal; signed anew, the same request is good.
  if (metadata?.clockSkewCorrected === true) return { reason: 'unavailable', detail: 'this machine’s clock is wrong' };
  // No role, no metadata service, no file: it can be set right or pass, and says nothing of the key.
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError')
    return { reason: 'unavailable', detail: 'no AWS credentials were found', hint: 'Pass credentials, or give this process a role.' };
  // The SDK hangs the response on errors of its own, such as that of a body that is no JSON.
  if (status === undefined && '$response' in (error as object)) return { reason: 'unavailable', detail: 'the answer can’t be read' };
  if (status === undefined) return networkFailure(error);
  const request = metadata?.requestId === undefined ? '' : `, request ${metadata.requestId}`;
  const detail = `${/^\w{1,80}$/.test(name) ? name : 'an unknown error'}, HTTP ${status}${request}`;
  const known = reasons[name];
  if (known !== undefined) return { reason: known, detail, hint: hints[name] };
  // What answered with success or a server's error and no exception of KMS is a proxy, or KMS in trouble.
  if (status < 400 || status >= 500) return { reason: 'unavailable', detail };
  return { reason: status === 429 ? 'throttled' : 'denied', detail, hint: hints[name] };
}

interface Metadata {
  readonly httpStatusCode?: number;
  readonly requestId?: string;
  readonly clockSkewCorrected?: boolean;
}
