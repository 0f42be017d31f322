import { type Command, Option } from 'commander';
import type { TenantFilter } from '../../control-plane.ts';
import type { TenantStatus } from '../../tenant/tenant.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { requireTier } from '../require-tier.ts';
import { tenantColumns } from '../tenant-view.ts';

const statuses: readonly TenantStatus[] = ['provisioning', 'active', 'suspended', 'offboarded'];

/** `tenancy tenant list`. */
export function addTenantList(parent: Command, session: CliSession): void {
  parent
    .command('list')
    .description('list tenants and where they are placed')
    .option('--tier <name>', 'only of this tier')
    .option('--region <name>', 'only in this region')
    .addOption(new Option('--status <status>', 'only with this status').choices(statuses))
    .action((filter: TenantFilter) =>
      session.withControl(async (control, config) => {
        requireTier(filter.tier, config);
        const tenants = await control.tenants({ tier: filter.tier, region: filter.region, status: filter.status });
        session.output.result({ tenants }, () => session.output.table(tenants, tenantColumns, 'No tenants.'));
        return exitCode.ok;
      }),
    );
}
