import { z } from 'zod';
import type { Placement } from './placement.ts';

/** A row of `tenancy.placements`. */
export const placementRow = z.object({
  tenant_id: z.string(),
  cluster_id: z.string(),
  database: z.string(),
  schema: z.string(),
  isolation: z.enum(['row', 'schema', 'database']),
  epoch: z.coerce.number().pipe(z.int()),
  schema_version: z.string(),
});

export function placementOf(row: z.output<typeof placementRow>): Placement {
  return Object.freeze({
    tenantId: row.tenant_id,
    clusterId: row.cluster_id,
    database: row.database,
    schema: row.schema,
    isolation: row.isolation,
    epoch: row.epoch,
    schemaVersion: row.schema_version,
  });
}
