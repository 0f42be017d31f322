import type { Command } from 'commander';
import type { KekStatus, KeyStatus } from '../../control.ts';
import { parseTenantId } from '../../tenant/tenant-id.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { printable } from '../table.ts';

/** `tenancy keys status`: what tenants' keys are, and what is wrong with them. */
export function addKeysStatus(parent: Command, session: CliSession): void {
  parent
    .command('status')
    .description('show tenants’ keys, as the catalog and the key managers have them, and what is wrong with them')
    .argument('[tenant]', 'the tenant’s id; all tenants unless given')
    .action(async (id: string | undefined) => {
      const tenantId = id === undefined ? undefined : parseTenantId(id);
      await session.withControl(async (control) => {
        const tenants = await control.keyStatus(tenantId);
        const { colors } = session.output;
        session.output.result({ tenants }, () => {
          const table = session.output.table(
            tenants,
            [
              { title: 'TENANT', value: ({ tenantId: tenant }) => tenant },
              { title: 'KEK', value: (status) => kekOf(status)?.provider },
              { title: 'OWNER', value: (status) => kekOf(status)?.owner },
              { title: 'PROTECTION', value: (status) => kekOf(status)?.protection },
              { title: 'STATE', value: (status) => (status.shreddedAt === undefined ? kekOf(status)?.state : 'shredded') },
              {
                title: 'DATA KEYS',
                value: ({ dataKeys }) => dataKeys.map(({ version, state }) => `${version} ${state}`).join(', ') || undefined,
              },
              { title: 'ROTATION', value: ({ rotation }) => rotation && `${rotation.version} ${rotation.step}` },
              {
                title: 'PROBLEMS',
                value: ({ problems }) => problems.map((problem) => problem.id).join(', ') || undefined,
                paint: ({ problems }) => (problems.length > 0 ? colors.red : undefined),
              },
            ],
            'No tenants.',
          );
          const problems = tenants.flatMap(({ tenantId: tenant, problems: found }) =>
            found.map(({ message }) => `${tenant}: ${printable(message)}\n`),
          );
          return problems.length === 0 ? table : `${table}\n${problems.join('')}`;
        });
        return tenants.some(({ problems }) => problems.length > 0) ? exitCode.findings : exitCode.ok;
      });
    });
}

/** The one that wraps its keys, else the newest. */
function kekOf({ keks }: KeyStatus): KekStatus | undefined {
  return keks.find(({ wraps }) => wraps > 0) ?? keks[0];
}
