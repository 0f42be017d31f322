import type { ControlPlane } from '@godseye/tenancy/control';
import { sql } from 'drizzle-orm';
import { formatDecimal, parseDecimal } from '../csv/decimal.ts';
import { orderLines } from '../schema.ts';
import type { Retailer } from './retailer.ts';
import type { StoredTotals } from './totals-check.ts';

export interface AcrossReport {
  readonly retailers: number;
  readonly revenue: string;
  /** Audit entries that were written before a retailer was looked at, and after. */
  readonly allowed: number;
  readonly completed: number;
  readonly differences: readonly string[];
}

/** Revenue over all retailers, the only way that works: audited, one after the other, in each region by the service that is there. */
export async function acrossReport(
  control: ControlPlane,
  retailers: readonly Retailer[],
  expected: ReadonlyMap<string, StoredTotals>,
): Promise<AcrossReport> {
  const since = new Date();
  const differences: string[] = [];
  let revenue = 0n;
  let whole = 0;
  for (const tenancy of new Set(retailers.map((retailer) => retailer.tenancy))) {
    const tenants = retailers.filter((retailer) => retailer.tenancy === tenancy).map(({ id }) => id);
    whole += 1;
    const sums = await tenancy.acrossTenants({ actor: 'quickstart', reason: 'revenue over all retailers', tenants }, async () => {
      const [row] = await tenancy.db
        .select({ revenue: sql<string>`coalesce(sum(${orderLines.quantity} * ${orderLines.unitPrice}), 0)::numeric(24, 4)::text` })
        .from(orderLines);
      return row!.revenue;
    });
    for (const [id, sum] of sums) {
      revenue += parseDecimal(sum)!;
      if (sum !== expected.get(id)?.revenue)
        differences.push(`${id}: the report over all retailers has ${sum} and should have ${expected.get(id)?.revenue}`);
    }
  }
  const entries = await control.auditEntries({ action: 'across-tenants', since, limit: 10_000 });
  const targets = (outcome: string): Set<string | undefined> =>
    new Set(
      entries
        .filter((entry) => entry.outcome === outcome && entry.targetTenantId !== undefined)
        .map(({ targetTenantId }) => targetTenantId),
    );
  const [allowed, completed] = [targets('allowed').size, targets('completed').size];
  if (allowed !== retailers.length || completed !== retailers.length) {
    differences.push(`the audit log has ${allowed} entries before and ${completed} after a look at one of ${retailers.length} retailers`);
  }
  const starts = entries.filter(({ outcome, targetTenantId }) => outcome === 'allowed' && targetTenantId === undefined).length;
  if (starts !== whole) differences.push(`the audit log has ${starts} entries of ${whole} reports over retailers`);
  return { retailers: retailers.length, revenue: formatDecimal(revenue), allowed, completed, differences };
}
