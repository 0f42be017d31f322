import { z } from 'zod';
import type { Cluster } from './cluster.ts';

/** A row of `tenancy.clusters`. */
export const clusterRow = z.object({
  id: z.string(),
  region: z.string(),
  host: z.string(),
  port: z.number(),
  role_prefix: z.string(),
  dedicated: z.boolean(),
  pooled: z.boolean(),
  max_lanes: z.number(),
  tls: z.enum(['disable', 'verify-full']),
});

export function clusterOf(row: z.output<typeof clusterRow>): Cluster {
  return Object.freeze({
    id: row.id,
    region: row.region,
    host: row.host,
    port: row.port,
    rolePrefix: row.role_prefix,
    dedicated: row.dedicated,
    pooled: row.pooled,
    maxLanes: row.max_lanes,
    tls: row.tls,
  });
}
