import type { Command } from 'commander';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';

/** `tenancy audit probe`: finds out which rows that services asked for in vain are another tenant's, and records it. */
export function addAuditProbe(parent: Command, session: CliSession): void {
  parent
    .command('probe')
    .description('find out which rows that were asked for in vain are another tenant’s')
    .action(() =>
      session.withControl(async (control) => {
        const report = await control.auditSilentAttempts({ signal: session.signal });
        const { asked, absent, own, foreign, unanswered, forged } = report;
        const { colors } = session.output;
        session.output.result(
          report,
          () =>
            `${asked} rows were asked for in vain: ${absent} are nobody’s, ${own} the tenant’s own, ` +
            `${foreign > 0 ? colors.red(`${foreign} another tenant’s`) : 'none another tenant’s'}, ${unanswered} unknown.\n` +
            (forged > 0 ? `${colors.red(`${forged} batches were not a service’s`)}.\n` : ''),
        );
        return exitCode.ok;
      }),
    );
}
