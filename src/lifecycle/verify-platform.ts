import type { Placement } from '../catalog/placement.ts';
import type { TenantStore } from '../catalog/tenant-store.ts';
import { AbortedError } from '../errors.ts';
import { withClient } from '../provision/admin-client.ts';
import type { OwnerAccess } from '../provision/owner-access.ts';
import { verifyDatabase } from '../verify/catalog-checks.ts';
import type { Finding, VerifyReport } from '../verify/finding.ts';
import { standing } from './migration-plane.ts';

/** Checks every database that holds a tenant; one that can't be entered ends the run, since nothing is proven about it. */
export async function verifyPlatform(
  parts: { readonly tenants: TenantStore; readonly owners: OwnerAccess },
  signal?: AbortSignal,
): Promise<VerifyReport> {
  const placements = (await parts.tenants.list()).flatMap(({ tenant, placement }) =>
    placement !== undefined && standing(tenant.status) ? [placement] : [],
  );
  const databases = new Map<string, Placement[]>();
  for (const placement of placements) {
    const key = `${placement.clusterId}/${placement.database}`;
    databases.set(key, [...(databases.get(key) ?? []), placement]);
  }
  const findings: Finding[] = [];
  let checked = 0;
  for (const residents of databases.values()) {
    const { clusterId, database } = residents[0]!;
    if (signal?.aborted === true) {
      throw new AbortedError(`verify was aborted before the database ${clusterId}/${database}.`, {
        cause: signal.reason,
        hint: 'Run it again: nothing is proven about what it did not reach.',
      });
    }
    const address = { clusterId, database };
    const owner = await parts.owners.of(address);
    const schemas = [
      ...new Map(
        residents.map(({ schema, tenantId, isolation }) => [
          schema,
          { schema, isolation, tenantId: isolation === 'row' ? undefined : tenantId },
        ]),
      ).values(),
    ];
    const result = await withClient(
      owner.url,
      async (sql) => await verifyDatabase(sql, { ...address, ownerRole: owner.login, appRole: owner.app, schemas }),
    );
    findings.push(...result.findings);
    checked += result.checked;
  }
  return { findings, checked, ok: !findings.some(({ severity }) => severity === 'error' || severity === 'critical') };
}
