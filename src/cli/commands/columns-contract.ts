import type { Command } from 'commander';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { type ColumnsOptions, columnScope, withColumnsOptions } from './columns-options.ts';
import { rowsOf, tenantErrors } from './columns-words.ts';
import { actorOf } from './keys-words.ts';

/** `tenancy columns contract`: has PostgreSQL refuse every plaintext from now on, so that the column can be dropped. */
export function addColumnsContract(parent: Command, session: CliSession): void {
  withColumnsOptions(
    parent.command('contract').description('keep plaintext columns empty that were taken over, so that they can be dropped'),
  )
    .option('--actor <name>', 'who does this, for the audit; else TENANCY_ACTOR, else the user')
    .action(async (options: ColumnsOptions & { readonly actor?: string }) => {
      await session.withControl(async (control, config) => {
        const scope = await columnScope(session, options, config);
        const report = await control.columns.contract({ ...scope, actor: actorOf(session, options.actor) });
        session.output.result(report, () =>
          session.output.table(
            rowsOf(report.tenants),
            [
              { title: 'TENANT', value: ({ tenantId }) => tenantId },
              { title: 'COLUMN', value: ({ column }) => column },
              { title: 'EMPTY FOR GOOD', value: ({ from }) => from },
              { title: 'CHECK', value: ({ constraint }) => constraint },
              { title: 'CHANGED', value: ({ changed }) => (changed ? 'yes' : 'no') },
            ],
            'No columns.',
          ),
        );
        const changed = rowsOf(report.tenants).some((one) => one.changed);
        if (changed)
          session.output.note('Old versions of rows keep their plaintext until VACUUM and reuse, WAL and backups until they expire.');
        return tenantErrors(session, report.tenants) ? exitCode.targetsFailed : exitCode.ok;
      });
    });
}
