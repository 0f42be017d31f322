import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditEntry } from '../audit/audit-event.ts';
import type { Auditor } from '../audit/auditor.ts';
import type { CatalogClient } from '../catalog/catalog-client.ts';
import type { ProcessStore, SilentProcess } from '../catalog/process-store.ts';
import type { StoredTenant } from '../catalog/stored-tenant.ts';
import type { TenantStore } from '../catalog/tenant-store.ts';
import { AbortedError, CatalogError, TenancyError } from '../errors.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import type { OwnerAccess } from '../provision/owner-access.ts';
import type { PlatformKeys } from '../provision/platform-keys.ts';

/** What the later life of keys works with. */
export interface KeyLifeParts {
  readonly catalog: CatalogClient;
  readonly tenants: TenantStore;
  readonly managers: KeyManagers;
  readonly platformKeys: PlatformKeys;
  readonly owners: OwnerAccess;
  readonly auditor: Auditor;
  /** The catalog's database, for a lock that lives as long as a run. */
  readonly catalogUrl: string;
}

/** Does something to a tenant's keys: recorded before it is done, and after with how it ended. */
export async function recorded<T>(
  auditor: Auditor,
  what: Pick<AuditEntry, 'targetTenantId' | 'reason' | 'actor'>,
  action: () => Promise<T>,
  detailOf: (result: T) => AuditEntry['detail'] = () => ({}),
): Promise<T> {
  const entry = { action: 'key', ...what } as const;
  await auditor.record({ ...entry, outcome: 'allowed' });
  let result: T;
  try {
    result = await action();
  } catch (error) {
    await auditor.record({ ...entry, outcome: 'failed', errorCode: error instanceof TenancyError ? error.code : undefined });
    throw error;
  }
  await auditor.record({ ...entry, outcome: 'completed', detail: detailOf(result) ?? {} });
  return result;
}

/** Waits until every process has followed a notice or can't hold the keys any more. @returns those that have not when the time is over */
export async function followed(
  processes: ProcessStore,
  notice: number,
  { waitMs = 30_000, signal }: { readonly waitMs?: number | undefined; readonly signal?: AbortSignal | undefined },
): Promise<readonly SilentProcess[]> {
  const until = performance.now() + waitMs;
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    requireGoing(signal);
    const silent = await processes.silent(notice);
    if (silent.length === 0 || performance.now() >= until) return silent;
    await sleep(Math.min(pauseMs, Math.max(0, until - performance.now())), undefined, { signal }).catch(() => requireGoing(signal));
  }
}

/** @throws {AbortedError} when the signal has fired */
export function requireGoing(signal: AbortSignal | undefined, tenantId?: string): void {
  if (signal?.aborted !== true) return;
  throw new AbortedError('Work on keys or columns was aborted.', {
    tenantId,
    cause: signal.reason,
    hint: 'Run it again: it goes on from there.',
  });
}

/** @throws {CatalogError} when a tenant is not active or suspended */
export function requireStanding({ tenant: { id, status }, placement }: StoredTenant): void {
  if ((status === 'active' || status === 'suspended') && placement !== undefined) return;
  throw new CatalogError(`The tenant ${id} is ${status}: its keys were not touched.`, {
    tenantId: id,
    hint: 'Keys of active and suspended tenants can be rotated and moved.',
  });
}
