import type { KeyMetadata } from '@aws-sdk/client-kms';
import type { KeyManagerFailure } from '../errors.ts';
import type { KeyDescription } from './key-manager.ts';

/** AWS's state of a key in the contract's words: what it does not know works no more than a disabled one. */
export function stateOf({ KeyState: state }: KeyMetadata): KeyDescription['state'] {
  if (state === 'Enabled') return 'enabled';
  return isEnding(state) ? 'pendingDeletion' : 'disabled';
}

/** Why a key in such a state did not work. States that pass by themselves, or with a key store's connection, are `unavailable`. */
export function failureOf(state: string | undefined): KeyManagerFailure {
  if (isEnding(state)) return 'pendingDeletion';
  return state === 'Disabled' || state === 'PendingImport' ? 'disabled' : 'unavailable';
}

function isEnding(state: string | undefined): boolean {
  return state === 'PendingDeletion' || state === 'PendingReplicaDeletion';
}
