import type { Command } from 'commander';
import { parseTenantId } from '../../tenant/tenant-id.ts';
import { wholeNumber } from '../arguments.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { actorOf } from './keys-words.ts';

/** `tenancy keys destroy`: destroys a data key version that a rotation retired. */
export function addKeysDestroy(parent: Command, session: CliSession): void {
  parent
    .command('destroy')
    .description('destroy a retired version of a tenant’s data key, after a last look that no value has it')
    .argument('<tenant>', 'the tenant’s id')
    .requiredOption('--data-key <n>', 'the version', wholeNumber(1, 999_999_999))
    .option('--actor <name>', 'who does this, for the audit; else TENANCY_ACTOR, else the user')
    .action(async (id: string, { dataKey: version, actor }: { readonly dataKey: number; readonly actor?: string }) => {
      const tenantId = parseTenantId(id);
      await session.withControl(async (control) => {
        await control.destroyRetiredKey(tenantId, version, { actor: actorOf(session, actor) });
        session.output.result({ tenantId, version }, () => `Version ${version} of the data key of ${tenantId} is destroyed.\n`);
        return exitCode.ok;
      });
    });
}
