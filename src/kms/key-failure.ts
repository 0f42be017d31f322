import { KeyManagerError, type KeyManagerFailure } from '../errors.ts';
import type { KeyContext } from './key-manager.ts';

/**
 * The error for what a KEK is or did.
 *
 * @param what goes on after the key's name, such as `is disabled`
 * @example
 * ```ts
 * throw keyFailure('invalidCiphertext', keyRef, 'did not wrap these bytes', context);
 * ```
 */
export function keyFailure(reason: KeyManagerFailure, keyRef: string, what: string, context?: KeyContext): KeyManagerError {
  const work = context === undefined ? '' : ` (${context.purpose} key of tenant ${context.tenantId})`;
  return new KeyManagerError(`The key ${JSON.stringify(keyRef)} ${what}${work}.`, { reason, tenantId: context?.tenantId });
}
