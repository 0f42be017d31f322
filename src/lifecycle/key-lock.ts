import { CatalogError } from '../errors.ts';
import { withClient } from '../provision/admin-client.ts';
import { advisoryLockKey } from '../sql/advisory-lock.ts';

/**
 * Runs a callback while no other process provisions a tenant, changes its keys or encrypts its columns. The lock belongs to a session of its own, so that a
 * process that dies lets it go.
 *
 * @param catalogUrl the catalog's database, reached directly
 * @throws {CatalogError} retryable, when another process has the lock
 */
export async function withKeyLock<T>(catalogUrl: string, tenantId: string, callback: () => Promise<T>): Promise<T> {
  return await withClient(catalogUrl, async (sql) => {
    const [row] = await sql<{ locked: boolean }[]>`
      select pg_catalog.pg_try_advisory_lock(${advisoryLockKey('provision', tenantId)}::bigint) as locked`;
    if (row?.locked !== true) {
      throw new CatalogError(
        `The keys or columns of tenant "${tenantId}" are being changed by another process, or it is being provisioned.`,
        {
          tenantId,
          retryable: true,
          hint: 'Wait for that to end.',
        },
      );
    }
    return await callback();
  });
}
