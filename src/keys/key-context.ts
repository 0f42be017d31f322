import { ConfigurationError } from '../errors.ts';
import type { KeyContext } from '../kms/key-manager.ts';
import type { SecretContext } from './sealed-secret.ts';

/** The tenant id under which the platform's own secrets are wrapped; no tenant may have it. */
const platformTenantId = 'platform';

/** What a tenant's data key is bound to. @throws {ConfigurationError} for the platform's own id */
export function dataContext(tenantId: string): KeyContext {
  return tenantContext(tenantId, 'data');
}

/** What a tenant's blind-index secret is bound to. @throws {ConfigurationError} for the platform's own id */
export function indexContext(tenantId: string): KeyContext {
  return tenantContext(tenantId, 'blind-index');
}

/** What the master of all context keys is bound to. */
export const contextMasterContext: KeyContext = Object.freeze({ tenantId: platformTenantId, purpose: 'context-master' });

/** What the secrets of audit chains are bound to: a service makes one and never opens one. */
export const auditChainContext: KeyContext = Object.freeze({ tenantId: platformTenantId, purpose: 'audit-chain' });

/** What batches of silent attempts are bound to: a service seals them and never opens one. */
export const silentAttemptContext: SecretContext = Object.freeze({ tenantId: platformTenantId, purpose: 'silent-attempt' });

/** What the keys of certificates are bound to. */
export const certificateContext: KeyContext = Object.freeze({ tenantId: platformTenantId, purpose: 'certificate' });

/** What sealed passwords of database logins are bound to; the subject, where given, says which one. */
export const credentialContext: SecretContext = Object.freeze({ tenantId: platformTenantId, purpose: 'credential' });

/**
 * What the password of one login is bound to: moved to another row of the catalog, such as an owner's into a service's, it can't be opened.
 *
 * @param kind whose login it is
 */
export function loginContext(
  kind: 'service' | 'owner',
  address: { readonly clusterId: string; readonly database: string },
  login: string,
): SecretContext {
  return { ...credentialContext, subject: [kind, address.clusterId, address.database, login] };
}

function tenantContext(tenantId: string, purpose: string): KeyContext {
  if (tenantId === platformTenantId)
    throw new ConfigurationError(`"${platformTenantId}" is the platform's own name in key contexts and can't be a tenant's.`);
  return Object.freeze({ tenantId, purpose });
}
