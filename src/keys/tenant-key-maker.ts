import type { KeyManager, KeyManagerCall, WrappedKey } from '../kms/key-manager.ts';
import { dataContext, indexContext } from './key-context.ts';

/** A tenant's first keys, wrapped: version 1 of its data key, and its blind-index secret. */
export interface NewTenantKeys {
  readonly dataKey: WrappedKey;
  readonly indexSecret: WrappedKey;
}

/**
 * Makes a tenant's first keys. Every tenant has its own, whichever KEK wraps them: moving up a tier wraps them anew and rewrites no row.
 *
 * @param keyRef the platform's KEK or the tenant's own, as its tier says
 * @throws {KeyManagerError} when the key manager can't make or wrap them; nothing is stored then
 * @example
 * ```ts
 * const { dataKey, indexSecret } = await makeTenantKeys(managers.primary, platformKeyRef, 'tenant-100');
 * ```
 */
export async function makeTenantKeys(manager: KeyManager, keyRef: string, tenantId: string, call?: KeyManagerCall): Promise<NewTenantKeys> {
  const [data, index] = await Promise.all([
    manager.generateDataKey(keyRef, dataContext(tenantId), call),
    manager.generateDataKey(keyRef, indexContext(tenantId), call),
  ]);
  return { dataKey: data.wrapped, indexSecret: index.wrapped };
}
