import type { Command } from 'commander';
import type { AuditEvent } from '../../audit/audit-event.ts';
import { wholeNumber } from '../arguments.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import type { Column } from '../table.ts';
import { auditFilterOf, type FilterOptions, withAuditFilter } from './audit-filter-options.ts';

/** `tenancy audit list`: the newest audit entries first. */
export function addAuditList(parent: Command, session: CliSession): void {
  withAuditFilter(parent.command('list').description('list audit entries, newest first'), true)
    .option('--limit <n>', 'at most this many (100)', wholeNumber(1, 10_000))
    .action((options: FilterOptions & { readonly limit?: number }) =>
      session.withControl(async (control) => {
        const entries = await control.auditEntries({ ...auditFilterOf(options), limit: options.limit });
        session.output.result({ entries }, () => session.output.table(entries, auditColumns(session), 'No entries.'));
        return exitCode.ok;
      }),
    );
}

function auditColumns({ output: { colors } }: CliSession): readonly Column<AuditEvent>[] {
  const paint = { allowed: undefined, completed: undefined, refused: colors.yellow, failed: colors.red };
  return [
    { title: 'AT', value: ({ at }) => at.toISOString() },
    { title: 'OUTCOME', value: ({ outcome }) => outcome, paint: ({ outcome }) => paint[outcome] },
    { title: 'ACTION', value: ({ action }) => action },
    { title: 'TENANT', value: ({ tenantId }) => tenantId },
    { title: 'TARGET', value: ({ targetTenantId }) => targetTenantId },
    { title: 'ACTOR', value: ({ actor }) => actor },
    { title: 'CODE', value: ({ errorCode }) => errorCode },
    { title: 'TIMES', value: ({ detail }) => Number(detail['repeats'] ?? 1), align: 'right' },
    { title: 'REASON', value: ({ reason }) => reason },
    { title: 'ID', value: ({ id }) => id },
  ];
}
