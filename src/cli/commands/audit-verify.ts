import type { Command } from 'commander';
import type { AuditFinding, AuditVerifyReport } from '../../audit/audit-finding.ts';
import { readAnchors } from '../../audit-store/read-anchors.ts';
import { collect } from '../arguments.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { printable } from '../table.ts';

/** `tenancy audit verify`: proves that no audit entry was changed, removed, moved, copied or added by others than its writers. */
export function addAuditVerify(parent: Command, session: CliSession): void {
  parent
    .command('verify')
    .description('check that no audit entry was changed, removed or added')
    .option('--anchors <file>', 'compare with these anchors; may be given several times', collect)
    .action(({ anchors: files }: { readonly anchors?: readonly string[] }) =>
      session.withControl(async (control) => {
        const anchors = (await Promise.all((files ?? []).map(async (file) => await readAnchors(session.path(file))))).flat();
        const report = await control.auditVerify({ anchors, signal: session.signal });
        session.output.result(
          report,
          () => report.findings.map((finding) => written(finding, session)).join('') + summary(report, session),
        );
        return report.ok ? exitCode.ok : exitCode.findings;
      }),
    );
}

function written({ kind, writer, seq, entryId, message }: AuditFinding, { output: { colors } }: CliSession): string {
  const place = writer === undefined ? '(no chain)' : `${writer}${seq === undefined ? '' : ` #${seq}`}`;
  return `${colors.red(kind)}  ${printable(place)}  ${printable(entryId ?? '-')}\n  ${printable(message)}\n`;
}

function summary(report: AuditVerifyReport, { output: { colors } }: CliSession): string {
  const { found, findings, entries, writers, beforeChain, anchors, ok } = report;
  const more = found > findings.length ? ` The first ${findings.length} are shown.` : '';
  const result = ok ? colors.green('No findings.') : `${found} finding${found === 1 ? '' : 's'}.${more}`;
  const older = beforeChain === 0 ? '' : `, ${beforeChain} of them from before the chains`;
  const tails = anchors === 0 ? ' No anchors were given: a tail that was cut off can’t be noticed.' : ` ${anchors} anchors were compared.`;
  return `${result} ${entries} entries in ${writers} chains were checked${older}.${tails}\n`;
}
