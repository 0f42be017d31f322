import { ProvisioningError } from '../errors.ts';
import { advisoryLockKey } from '../sql/advisory-lock.ts';
import type { TenantId } from '../tenant/tenant-id.ts';
import { withClient } from './admin-client.ts';

/**
 * Runs a callback while no other process provisions the same tenant: what one has made, another's failure would drop. The lock belongs to
 * a session of its own, so that a process that dies lets it go.
 *
 * @param catalogUrl the catalog's database, reached directly
 * @throws {ProvisioningError} retryable, when another process has the lock
 */
export async function withTenantLock<T>(catalogUrl: string, tenantId: TenantId, callback: () => Promise<T>): Promise<T> {
  return await withClient(catalogUrl, async (sql) => {
    const [row] = await sql<
      { locked: boolean }[]
    >`select pg_catalog.pg_try_advisory_lock(${advisoryLockKey('provision', tenantId)}::bigint) as locked`;
    if (row?.locked !== true) {
      throw new ProvisioningError(`The tenant "${tenantId}" is being provisioned by another process.`, {
        step: 'record',
        tenantId,
        retryable: true,
        hint: 'Wait for it to end.',
      });
    }
    return await callback();
  });
}
