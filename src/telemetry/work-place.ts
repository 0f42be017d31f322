import type { TelemetryAttributes } from './open-telemetry.ts';

/** Whose work it is and where it runs; a route is one. */
export interface WorkPlace {
  readonly tenant: { readonly id: string; readonly tier: { readonly name: string } };
  readonly placement: { readonly clusterId: string; readonly database: string; readonly schema: string; readonly isolation: string };
}

const spanAttributes = new WeakMap<WorkPlace, Readonly<TelemetryAttributes>>();

/** A place as spans name it, by OpenTelemetry's conventions for databases and with names of our own for what they lack. */
export function placeAttributes(place: WorkPlace): Readonly<TelemetryAttributes> {
  let attributes = spanAttributes.get(place);
  if (attributes === undefined) {
    const { tenant, placement } = place;
    attributes = Object.freeze({
      'db.system.name': 'postgresql',
      'db.namespace': `${placement.database}|${placement.schema}`,
      'tenancy.tenant.id': tenant.id,
      'tenancy.tier': tenant.tier.name,
      'tenancy.isolation': placement.isolation,
      'tenancy.cluster.id': placement.clusterId,
      'tenancy.database': placement.database,
      'tenancy.schema': placement.schema,
    });
    spanAttributes.set(place, attributes);
  }
  return attributes;
}

/** A place as measurements name it: few values, whatever the number of tenants. */
export function measuredPlace({ tenant, placement }: WorkPlace, withTenant: boolean): TelemetryAttributes {
  const attributes: TelemetryAttributes = {
    'db.system.name': 'postgresql',
    'tenancy.tier': tenant.tier.name,
    'tenancy.cluster.id': placement.clusterId,
  };
  if (withTenant) attributes['tenancy.tenant.id'] = tenant.id;
  return attributes;
}
