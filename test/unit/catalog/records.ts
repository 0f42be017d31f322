import type { TenantRecord } from '../../../src/catalog/tenant-record.ts';
import type { TenantStatus } from '../../../src/tenant/tenant.ts';
import { parseTenantConfig } from '../../../src/tenant/tenant-config.ts';
import { defaultTiers } from '../../../src/tenant/tier.ts';

/** A record as the catalog's reader would answer. */
export function recordOf(
  id: string,
  changes: { status?: TenantStatus; region?: string; residency?: string[]; keyRegion?: string; epoch?: number } = {},
): TenantRecord {
  const region = changes.region ?? 'us-east-1';
  const residency = changes.residency ?? [region];
  const schema = id.replaceAll('-', '_');
  return Object.freeze({
    tenant: Object.freeze({
      id,
      name: id,
      tier: defaultTiers['standard']!,
      region,
      dataResidency: Object.freeze(residency),
      status: changes.status ?? 'active',
      config: parseTenantConfig({
        id,
        name: id,
        tier: 'standard',
        region,
        compliance: { data_residency: [...new Set([region, ...residency])] },
      }),
    }),
    placement: Object.freeze({
      tenantId: id,
      clusterId: 'us-1',
      database: 'tenancy_shared',
      schema,
      isolation: 'schema',
      epoch: changes.epoch ?? 1,
      schemaVersion: '0001',
    }),
    cluster: Object.freeze({
      id: 'us-1',
      region,
      host: '127.0.0.1',
      port: 5432,
      rolePrefix: 'tenancy',
      dedicated: false,
      pooled: false,
      maxLanes: 10,
      tls: 'disable',
    }),
    keyLocations: Object.freeze([Object.freeze({ provider: 'local', region: changes.keyRegion ?? region })]),
  });
}
