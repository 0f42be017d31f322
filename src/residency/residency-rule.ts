import { ResidencyError } from '../errors.ts';
import type { Tenant } from '../tenant/tenant.ts';

/** Where everything stands that would store or process a tenant's data. */
export interface ResidencyFacts {
  readonly tenant: Pick<Tenant, 'id' | 'dataResidency'>;
  readonly clusterId: string;
  readonly clusterRegion: string;
  /** The regions of the key managers that open the tenant's keys; empty while it has none. */
  readonly kmsRegions: readonly string[];
  /** The region of this process. */
  readonly runtimeRegion: string;
}

/**
 * Refuses to touch a tenant's data from, in or with keys of a region that its `compliance.data_residency` does not allow: "tenant data
 * is stored and processed only in those regions". Pure: it is decided before any connection opens.
 *
 * @throws {ResidencyError} naming what stands where and what is allowed
 * @example
 * ```ts
 * assertResidency({ tenant, clusterId: 'eu-1', clusterRegion: 'eu-central-1', kmsRegions: ['eu-central-1'], runtimeRegion: 'us-east-1' });
 * ```
 */
export function assertResidency(facts: ResidencyFacts): void {
  const refusal = residencyRefusal(facts);
  if (refusal !== undefined) throw refusal;
}

/** The same decision as a value: undefined when everything stands where it may. */
export function residencyRefusal(
  facts: ResidencyFacts,
  options: { readonly auditId?: string; readonly cause?: unknown } = {},
): ResidencyError | undefined {
  const { tenant } = facts;
  const places = [
    { what: `its cluster ${facts.clusterId} stands`, region: facts.clusterRegion },
    ...facts.kmsRegions.map((region) => ({ what: 'its key manager stands', region })),
    { what: 'this process runs', region: facts.runtimeRegion },
  ].filter(({ region }) => !tenant.dataResidency.includes(region));
  const [first] = places;
  if (first === undefined) return undefined;
  return new ResidencyError(
    `The tenant ${tenant.id} was refused: its data may be stored and processed in ${tenant.dataResidency.join(', ') || 'no region'} only, but ${places
      .map(({ what, region }) => `${what} in ${region || '(no region)'}`)
      .join(' and ')}.`,
    {
      tenantId: tenant.id,
      region: first.region,
      allowedRegions: Object.freeze([...tenant.dataResidency]),
      ...options,
      hint: 'Serve it from an allowed region, or move it; nothing was connected.',
    },
  );
}
