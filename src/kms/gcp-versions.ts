import type { protos } from '@google-cloud/kms';
import type { KeyDescription, KeyProtection } from './key-manager.ts';

/** One version of a key, as the SDK gives it. */
export type GcpVersion = protos.google.cloud.kms.v1.ICryptoKeyVersion;

/** The enumerations of the API as numbers; the SDK gives names or numbers. */
const states = ['UNSPECIFIED', 'ENABLED', 'DISABLED', 'DESTROYED', 'DESTROY_SCHEDULED', 'PENDING_GENERATION'] as const;
const levels = ['UNSPECIFIED', 'SOFTWARE', 'HSM', 'EXTERNAL', 'EXTERNAL_VPC', 'HSM_SINGLE_TENANT'] as const;

/** The state in the contract's words; undefined when it is destroyed or never came to be. A version that is being made counts as enabled. */
export function stateOf(version: GcpVersion | null | undefined): KeyDescription['state'] | undefined {
  switch (nameOf(states, version?.state)) {
    case 'ENABLED':
    case 'PENDING_GENERATION':
      return 'enabled';
    case 'DISABLED':
      return 'disabled';
    case 'DESTROY_SCHEDULED':
      return 'pendingDeletion';
    default:
      return undefined;
  }
}

/** Whether it works now: one that is being made does not yet. */
export function isEnabled({ state }: GcpVersion): boolean {
  return nameOf(states, state) === 'ENABLED';
}

/** What protects it in truth. */
export function protectionOf({ protectionLevel }: GcpVersion): KeyProtection {
  const level = nameOf(levels, protectionLevel);
  return level === 'HSM' || level === 'HSM_SINGLE_TENANT' ? 'hsm' : 'software';
}

/** The last part of a version's name; undefined when it is one of another key. */
export function versionOf(keyRef: string, name: string | null | undefined): string | undefined {
  const prefix = `${keyRef}/cryptoKeyVersions/`;
  const version = name?.startsWith(prefix) === true ? name.slice(prefix.length) : '';
  return /^[0-9]+$/.test(version) ? version : undefined;
}

function nameOf(names: readonly string[], value: string | number | null | undefined): string | undefined {
  return typeof value === 'number' ? names[value] : (value ?? undefined);
}
