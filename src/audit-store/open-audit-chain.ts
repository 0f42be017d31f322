import { randomUUID } from 'node:crypto';
import { AuditChain } from '../audit/audit-chain.ts';
import type { KeyStore } from '../catalog/key-store.ts';
import { CatalogError } from '../errors.ts';
import { auditChainContext } from '../keys/key-context.ts';
import type { KeyManagers } from '../kms/key-managers.ts';

/**
 * Begins a chain for this process: a fresh writer, and a fresh secret from the key manager, which the platform KEK wraps. The process never
 * has to unwrap one: it needs no right to, and learns no other writer's key.
 *
 * @throws {CatalogError} when the catalog has no platform KEK of a key manager that was given
 * @throws {KeyManagerError} when the manager can't make the secret
 */
export async function openAuditChain(parts: { readonly store: KeyStore; readonly managers: KeyManagers }): Promise<AuditChain> {
  const keks = await parts.store.platformKeks();
  const kek = keks.find(({ provider }) => parts.managers.has(provider));
  if (kek === undefined) {
    throw new CatalogError('The catalog has no platform key of a key manager that was given here.', {
      hint: 'Run `tenancy init`, or add the platform’s key manager to the kms option.',
    });
  }
  const { key, wrapped } = await parts.managers.for(kek.provider).generateDataKey(kek.keyRef, auditChainContext);
  const writer = Object.freeze({
    id: randomUUID(),
    provider: wrapped.provider,
    keyRef: wrapped.keyRef,
    keyVersion: wrapped.keyVersion,
    wrapped: wrapped.ciphertext,
    startedAt: new Date(),
  });
  return new AuditChain(writer, key);
}
