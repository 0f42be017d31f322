import type { Command } from 'commander';
import { parseTenantId } from '../../tenant/tenant-id.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { printable } from '../table.ts';
import { tenantFacts } from '../tenant-view.ts';

/** `tenancy tenant show`. */
export function addTenantShow(parent: Command, session: CliSession): void {
  parent
    .command('show')
    .description('show one tenant, its placement and its configuration')
    .argument('<id>', 'the tenant’s id')
    .action(async (id: string) => {
      const tenantId = parseTenantId(id);
      await session.withControl(async (control) => {
        const details = await control.tenant(tenantId);
        session.output.result(details, () => {
          const facts = tenantFacts(details);
          const width = Math.max(...facts.map(([name]) => name.length));
          return facts
            .map(([name, value]) => `${session.output.colors.dim(printable(name).padEnd(width))}  ${printable(value)}\n`)
            .join('');
        });
        return exitCode.ok;
      });
    });
}
