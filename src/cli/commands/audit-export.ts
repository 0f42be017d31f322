import { type Command, Option } from 'commander';
import type { AuditEvent } from '../../audit/audit-event.ts';
import { storableEvent } from '../../audit/storable-event.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { auditFilterOf, type FilterOptions, withAuditFilter } from './audit-filter-options.ts';

const columns = [
  'id',
  'at',
  'action',
  'outcome',
  'tenant_id',
  'target_tenant_id',
  'actor',
  'reason',
  'request_id',
  'error_code',
  'statement_fingerprint',
  'detail',
  'writer',
  'writer_seq',
  'previous_mac',
  'mac',
] as const;

/** `tenancy audit export`: every entry that matches, in the order of arrival, as CSV or a line of JSON each. */
export function addAuditExport(parent: Command, session: CliSession): void {
  withAuditFilter(parent.command('export').description('write all audit entries to stdout, oldest first'), true)
    .addOption(new Option('--format <format>', 'a line of JSON each, or CSV (RFC 4180)').choices(['jsonl', 'csv']).default('jsonl'))
    .action((options: FilterOptions & { readonly format: 'jsonl' | 'csv' }) =>
      session.withControl(async (control) => {
        const write = options.format === 'csv' ? csvLine : (entry: AuditEvent) => JSON.stringify(storableEvent(entry));
        if (options.format === 'csv') await session.output.line(columns.join(','));
        for await (const entry of control.auditExport(auditFilterOf(options))) {
          await session.output.line(write(entry));
          session.refuseWhenAborted();
        }
        return exitCode.ok;
      }),
    );
}

function csvLine(entry: AuditEvent): string {
  const row = storableEvent(entry);
  return columns.map((name) => cell(row[name])).join(',');
}

/** Strangers choose ids and reasons: a spreadsheet must not take one for a formula. */
function cell(value: unknown): string {
  if (value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const tame = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(tame) ? `"${tame.replaceAll('"', '""')}"` : tame;
}
