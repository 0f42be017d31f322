import type { Command } from 'commander';
import { readTenantConfig } from '../../tenant/tenant-config-file.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { printable } from '../table.ts';

/** `tenancy tenant update`: replaces a tenant's configuration. */
export function addTenantUpdate(parent: Command, session: CliSession): void {
  parent
    .command('update')
    .description('replace a tenant’s configuration; id, tier and region can’t change this way')
    .argument('<file>', 'the tenant’s configuration file')
    .action(async (file: string) => {
      const config = await readTenantConfig(session.path(file));
      await session.withControl(async (control) => {
        const tenant = await control.updateTenant(config);
        session.output.result({ tenant }, () => `The configuration of ${tenant.id} (${printable(tenant.name)}) was replaced.\n`);
        return exitCode.ok;
      });
    });
}
