import type { KeyObject } from 'node:crypto';
import type { StoredKey } from '../catalog/key-life-store.ts';
import { LocalTenantKeys } from '../crypto/local-tenant-keys.ts';
import { CatalogError, KeyManagerError } from '../errors.ts';
import type { KeyContext, KeyManager, WrappedKey } from '../kms/key-manager.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { dataContext, indexContext } from './key-context.ts';

/** What a stored key is bound to. */
export function contextOf({ tenantId, purpose }: Pick<StoredKey, 'tenantId' | 'purpose'>): KeyContext {
  return purpose === 'data' ? dataContext(tenantId) : indexContext(tenantId);
}

/**
 * Opens a tenant's keys as the catalog has them, whatever their state.
 *
 * @param currentVersion what is encrypted with
 * @throws {KeyManagerError} when one can't be unwrapped
 * @throws {CatalogError} when the tenant has no blind-index secret
 */
export async function openTenantKeys(managers: KeyManagers, keys: readonly StoredKey[], currentVersion: number): Promise<LocalTenantKeys> {
  const opened = await Promise.all(
    keys.map(async (key) => ({ ...key, key: await managers.for(key.wrapped.provider).unwrap(key.wrapped, contextOf(key)) })),
  );
  const tenantId = keys[0]?.tenantId ?? '';
  const indexSecret = opened.findLast(({ purpose }) => purpose === 'blind-index')?.key;
  if (indexSecret === undefined) throw new CatalogError(`The tenant ${tenantId} has no blind-index secret in the catalog.`, { tenantId });
  const dataKeys = new Map(opened.filter(({ purpose }) => purpose === 'data').map(({ version, key }) => [version, key]));
  return new LocalTenantKeys({ tenantId, currentVersion, dataKeys, indexSecret });
}

/**
 * Makes sure that a fresh wrap opens to the key that it is to replace, before anything relies on it.
 *
 * @throws {KeyManagerError} `wrongKey` when it does not
 */
export async function requireSameKey(manager: KeyManager, wrapped: WrappedKey, context: KeyContext, expected: KeyObject): Promise<void> {
  const opened = await manager.unwrap(wrapped, context);
  if (opened.equals(expected)) return;
  throw new KeyManagerError(
    `The key manager "${manager.provider}" wrapped another key than it was given (${context.purpose} key of ${context.tenantId}).`,
    {
      reason: 'wrongKey',
      tenantId: context.tenantId,
      hint: 'Nothing was replaced; do not use this key manager.',
    },
  );
}
