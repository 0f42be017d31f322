import type { Command } from 'commander';
import type { AuditEvent } from '../../audit/audit-event.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { printable } from '../table.ts';
import { auditFilterOf, type FilterOptions, withAuditFilter } from './audit-filter-options.ts';

/** `tenancy audit tail`: entries as they arrive, a line each, until it is interrupted. */
export function addAuditTail(parent: Command, session: CliSession): void {
  withAuditFilter(parent.command('tail').description('show audit entries as they arrive, until interrupted'), false).action(
    (options: FilterOptions) =>
      session.withControl(async (control) => {
        for await (const entry of control.auditTail(auditFilterOf(options), session.signal)) {
          await session.output.line(session.output.json ? JSON.stringify(entry) : written(entry));
        }
        return exitCode.ok;
      }),
  );
}

function written({ at, outcome, action, tenantId, targetTenantId, actor, errorCode, detail, reason }: AuditEvent): string {
  const times = detail['repeats'] === undefined ? undefined : `${detail['repeats']} times`;
  const tenants = [tenantId, targetTenantId].filter((id) => id !== undefined).join(' → ');
  const parts = [at.toISOString(), outcome, action, tenants, actor, errorCode, times, reason];
  return printable(parts.filter((part) => part !== undefined && part !== '').join('  '));
}
