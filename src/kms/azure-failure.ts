import { networkFailure } from './network-failure.ts';
import type { RemoteFailure } from './remote-calls.ts';

const permissions = 'Give this identity the permissions of docs/kms-azure.md, and look at the vault’s firewall.';

/** What an error of @azure/keyvault-keys, or of a credential, means; its message, request and response stay behind. */
export function azureFailure(error: unknown): RemoteFailure | undefined {
  const { name, code, statusCode: status, details, response } = error as AzureError;
  // No identity endpoint, no environment: it can be set right or pass, and says nothing of the key.
  if (name === 'CredentialUnavailableError' || (name === 'AuthenticationError' && !(status !== undefined && status < 500)))
    return { reason: 'unavailable', detail: 'no Azure credential was found', hint: 'Pass a credential that works here.' };
  if (name === 'AuthenticationError') return { reason: 'denied', detail: 'Microsoft Entra ID refused the credential' };
  if (typeof status !== 'number') return networkFailure(error);
  const inner = details?.error?.innerError?.code;
  const request = response?.headers?.get('x-ms-request-id');
  const words = [code, inner].filter((word) => typeof word === 'string' && /^\w{1,80}$/.test(word));
  const detail = [...words, `HTTP ${status}`, ...(request === undefined ? [] : [`request ${request}`])].join(', ');
  if (status === 429) return { reason: 'throttled', detail, retryAfterMs: retryAfterOf(response) };
  if (status >= 500 || status === 408 || status < 400) return { reason: 'unavailable', detail, retryAfterMs: retryAfterOf(response) };
  if (inner === 'KeyDisabled' || inner === 'KeyExpired' || inner === 'KeyNotYetValid') return { reason: 'disabled', detail };
  if (status === 404) return { reason: 'notFound', detail };
  // A name that is soft-deleted, or on its way there or back.
  if (status === 409) return { reason: 'pendingDeletion', detail };
  return { reason: 'denied', detail, ...(status === 401 || status === 403 ? { hint: permissions } : {}) };
}

interface AzureError {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly statusCode?: number;
  readonly details?: { readonly error?: { readonly innerError?: { readonly code?: unknown } } };
  readonly response?: { readonly headers?: { get(name: string): string | undefined } };
}

/** `Retry-After` is seconds, or a date. */
function retryAfterOf(response: AzureError['response']): number | undefined {
  const value = response?.headers?.get('retry-after');
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
