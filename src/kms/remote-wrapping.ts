import { createHash } from 'node:crypto';
import { lengthPrefixed } from '../crypto/length-prefixed.ts';
import { KeyManagerError } from '../errors.ts';
import type { KeyContext, WrappedKey } from './key-manager.ts';

/** A context as associated data for providers that take bytes: `tenancy.kms`, tenant id and purpose, each with its length in front. */
export function contextBytes(context: KeyContext): Buffer {
  return lengthPrefixed(['tenancy.kms', context.tenantId, context.purpose]);
}

/** The same for two unwraps exactly if they must have the same result: what {@link RemoteRequest.share} needs. */
export function identityOf(wrapped: WrappedKey, context: KeyContext): string {
  const { provider, keyRef, keyVersion = '', ciphertext } = wrapped;
  const fields = [provider, keyRef, keyVersion, ciphertext, context.tenantId, context.purpose];
  return createHash('sha256').update(lengthPrefixed(fields)).digest('base64');
}

/** @throws {KeyManagerError} `wrongKey` when another key manager wrapped it: nothing is asked then */
export function requireWrappedBy(provider: string, wrapped: WrappedKey, context: KeyContext): void {
  if (wrapped.provider === provider) return;
  throw new KeyManagerError(
    `A ${context.purpose} key of tenant ${context.tenantId} belongs to the key manager "${wrapped.provider}", not to ${provider}.`,
    { reason: 'wrongKey', tenantId: context.tenantId },
  );
}
