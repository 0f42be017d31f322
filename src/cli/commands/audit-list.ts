import { type Command, Option } from 'commander';
import type { AuditEvent, AuditOutcome } from '../../audit/audit-event.ts';
import type { AuditFilter } from '../../audit/audit-filter.ts';
import { parseTenantId } from '../../tenant/tenant-id.ts';
import { pointInTime, wholeNumber } from '../arguments.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import type { Column } from '../table.ts';

const outcomes: readonly AuditOutcome[] = ['allowed', 'refused', 'completed', 'failed'];

/** `tenancy audit list`: the newest audit entries first. */
export function addAuditList(parent: Command, session: CliSession): void {
  parent
    .command('list')
    .description('list audit entries, newest first')
    .option('--tenant <id>', 'only of this tenant', parseTenantId)
    .option('--action <name>', 'only this action, such as query.policy')
    .addOption(new Option('--outcome <outcome>', 'only with this outcome').choices(outcomes))
    .option('--since <time>', 'from this time on: 2026-01-31, 2026-01-31T12:00Z or 7d', pointInTime)
    .option('--until <time>', 'up to this time', pointInTime)
    .option('--limit <n>', 'at most this many (100)', wholeNumber(1, 10_000))
    .action((options: Omit<AuditFilter, 'tenantId'> & { readonly tenant?: string }) =>
      session.withControl(async (control) => {
        const { tenant: tenantId, action, outcome, since, until, limit } = options;
        const entries = await control.auditEntries({ tenantId, action, outcome, since, until, limit });
        session.output.result({ entries }, () => session.output.table(entries, columns(session), 'No entries.'));
        return exitCode.ok;
      }),
    );
}

function columns({ output: { colors } }: CliSession): readonly Column<AuditEvent>[] {
  const paint = { allowed: undefined, completed: undefined, refused: colors.yellow, failed: colors.red };
  return [
    { title: 'AT', value: ({ at }) => at.toISOString() },
    { title: 'OUTCOME', value: ({ outcome }) => outcome, paint: ({ outcome }) => paint[outcome] },
    { title: 'ACTION', value: ({ action }) => action },
    { title: 'TENANT', value: ({ tenantId }) => tenantId },
    { title: 'TARGET', value: ({ targetTenantId }) => targetTenantId },
    { title: 'ACTOR', value: ({ actor }) => actor },
    { title: 'CODE', value: ({ errorCode }) => errorCode },
    { title: 'REASON', value: ({ reason }) => reason },
    { title: 'ID', value: ({ id }) => id },
  ];
}
