import { type Command, Option } from 'commander';
import type { AuditOutcome } from '../../audit/audit-event.ts';
import type { AuditFilter } from '../../audit/audit-filter.ts';
import { parseTenantId } from '../../tenant/tenant-id.ts';
import { pointInTime } from '../arguments.ts';

const outcomes: readonly AuditOutcome[] = ['allowed', 'refused', 'completed', 'failed'];

/** The filter as commander parses it. */
export type FilterOptions = Omit<AuditFilter, 'tenantId'> & { readonly tenant?: string };

/** Adds the options that say which entries; those about time where the command reads what is there already. */
export function withAuditFilter(command: Command, times: boolean): Command {
  command
    .option('--tenant <id>', 'only of this tenant', parseTenantId)
    .option('--action <name>', 'only this action, such as query.policy')
    .addOption(new Option('--outcome <outcome>', 'only with this outcome').choices(outcomes))
    .option('--actor <name>', 'only by this actor')
    .option('--request-id <id>', 'only of this request');
  if (!times) return command;
  return command
    .option('--since <time>', 'from this time on: 2026-01-31, 2026-01-31T12:00Z or 7d', pointInTime)
    .option('--until <time>', 'up to this time', pointInTime);
}

export function auditFilterOf({ tenant: tenantId, action, outcome, actor, requestId, since, until }: FilterOptions): AuditFilter {
  return { tenantId, action, outcome, actor, requestId, since, until };
}
