import type { Cluster } from '../catalog/cluster.ts';
import type { Placement } from '../catalog/placement.ts';
import type { TenantStore } from '../catalog/tenant-store.ts';
import { AbortedError, CatalogError } from '../errors.ts';
import { urlFor, withClient } from '../provision/admin-client.ts';
import type { ContextAuthority } from '../provision/context-authority.ts';
import type { CredentialVault } from '../provision/credential-vault.ts';
import type { OwnerAccess, OwnerOfDatabase } from '../provision/owner-access.ts';
import { type VerifiedCatalog, verifyCatalog } from '../verify/catalog-check.ts';
import { verifyDatabase } from '../verify/catalog-checks.ts';
import { checkClock } from '../verify/clock-check.ts';
import { type CheckResult, locate, type VerifiedDatabase } from '../verify/database-check.ts';
import type { VerifyOptions, VerifyReport } from '../verify/finding.ts';
import { probeDatabase } from '../verify/live-probes.ts';
import { checkOrphans } from '../verify/orphan-check.ts';
import { checkCatalogListens, checkPooler } from '../verify/pooler-check.ts';
import { standing } from './migration-plane.ts';

/** What verifying a platform works with. */
export interface VerifyPlatformParts {
  readonly tenants: TenantStore;
  readonly owners: OwnerAccess;
  readonly vault: CredentialVault;
  readonly authority: ContextAuthority;
  readonly catalogUrl: string;
  readonly catalog: VerifiedCatalog;
}

interface Resident {
  readonly placement: Placement;
  readonly cluster: Cluster | undefined;
}

/** Checks the catalog and every database that holds a tenant; one that can't be entered ends the run, since nothing is proven about it. */
export async function verifyPlatform(parts: VerifyPlatformParts, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { signal, checks = 'all' } = options;
  const results: CheckResult[] = [];
  const databases = databasesOf(
    (await parts.tenants.list()).flatMap(({ tenant, placement, cluster }) =>
      placement !== undefined && standing(tenant.status) ? [{ placement, cluster }] : [],
    ),
  );
  if (checks !== 'probes' && databases.length > 0) {
    results.push(
      ...(await withClient(parts.catalogUrl, async (sql) => [await checkCatalogListens(sql), await verifyCatalog(sql, parts.catalog)])),
    );
  }
  for (const residents of databases) {
    const { clusterId, database } = residents[0]!.placement;
    if (signal?.aborted === true) {
      throw new AbortedError(`verify was aborted before the database ${clusterId}/${database}.`, {
        cause: signal.reason,
        hint: 'Run it again: nothing is proven about what it did not reach.',
      });
    }
    const owner = await parts.owners.of({ clusterId, database });
    const verified: VerifiedDatabase = {
      clusterId,
      database,
      ownerRole: owner.login,
      appRole: owner.app,
      schemas: schemasOf(residents),
    };
    if (checks !== 'probes') results.push(...(await asOwner(owner, verified)));
    if (checks !== 'catalog') results.push(...(await asService(parts, verified, checks === 'all' ? residents[0]!.cluster : undefined)));
  }
  const findings = results.flatMap((result) => result.findings);
  return {
    findings,
    checked: results.reduce((sum, { checked }) => sum + checked, 0),
    ok: !findings.some(({ severity }) => severity === 'error' || severity === 'critical'),
  };
}

async function asOwner(owner: OwnerOfDatabase, database: VerifiedDatabase): Promise<readonly CheckResult[]> {
  return await withClient(owner.url, async (sql) => [
    await verifyDatabase(sql, database),
    await checkOrphans(sql, owner.signer, database),
    await checkClock(sql, database),
  ]);
}

async function asService(
  parts: VerifyPlatformParts,
  database: VerifiedDatabase,
  cluster: Cluster | undefined,
): Promise<readonly CheckResult[]> {
  const credentials = await parts.vault.require('service', database);
  const signer = await parts.authority.signer(database, credentials.user);
  const url = urlFor(parts.owners.adminUrl(database.clusterId), { database: database.database, ...credentials });
  try {
    const probed = await withClient(url, async (sql) => await probeDatabase({ sql, signer }, database));
    return cluster === undefined ? [probed] : [probed, await checkPooler(cluster, credentials, database)];
  } catch (error) {
    if (!(error instanceof CatalogError) || error.retryable) throw error;
    return [{ findings: [loginFinding(database, error)], checked: 1 }];
  }
}

function loginFinding(database: VerifiedDatabase, error: CatalogError): VerifyReport['findings'][number] {
  return {
    id: 'service-login-closed',
    severity: 'error',
    location: locate(database, database.appRole),
    message: `The service login that the catalog keeps can't log in, so nothing was probed. ${error.message}`,
    remedy: 'Give the role LOGIN, CONNECT and the password that the catalog keeps.',
  };
}

function databasesOf(residents: readonly Resident[]): readonly (readonly Resident[])[] {
  const databases = new Map<string, Resident[]>();
  for (const resident of residents) {
    const key = `${resident.placement.clusterId}/${resident.placement.database}`;
    databases.set(key, [...(databases.get(key) ?? []), resident]);
  }
  return [...databases.values()];
}

/** Tenants of a pool share one schema: it is looked at once. */
function schemasOf(residents: readonly Resident[]): VerifiedDatabase['schemas'] {
  const schemas = residents.map(({ placement: { schema, tenantId, isolation } }) => ({
    schema,
    isolation,
    tenantId: isolation === 'row' ? undefined : tenantId,
  }));
  return [...new Map(schemas.map((one) => [one.schema, one])).values()];
}
