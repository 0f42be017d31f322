import { type Command, Option } from 'commander';
import type { Finding, Severity, VerifyOptions } from '../../verify/finding.ts';
import { sarifOf } from '../../verify/sarif.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { printable } from '../table.ts';

const ranks: Readonly<Record<Severity, number>> = { critical: 0, error: 1, warning: 2, info: 3 };

/** `tenancy verify`: proves from the system catalogs, and by trying, that every defence stands. */
export function addVerify(parent: Command, session: CliSession): void {
  parent
    .command('verify')
    .description('check that every defence stands in every tenant database')
    .addOption(
      new Option('--checks <which>', 'what the system catalogs say, attempts as the service login, or both')
        .choices(['all', 'catalog', 'probes'])
        .default('all'),
    )
    .addOption(new Option('--fail-on <severity>', 'the least severity that ends it with 3').choices(Object.keys(ranks)).default('error'))
    .option('--sarif', 'print SARIF 2.1.0, for CI')
    .action(({ checks, failOn, sarif }: VerifyArguments) =>
      session.withControl(async (control) => {
        const report = await control.verify({ signal: session.signal, checks });
        session.refuseWhenAborted();
        const findings = report.findings.toSorted((left, right) => ranks[left.severity] - ranks[right.severity]);
        if (sarif === true) {
          const document = sarifOf({ findings });
          session.output.result(document, () => `${JSON.stringify(document, null, 2)}\n`);
        } else {
          session.output.result(
            { ...report, findings },
            () => findings.map((finding) => written(finding, session)).join('') + summary(report.checked, findings, session),
          );
        }
        const serious = findings.some(({ severity }) => ranks[severity] <= ranks[failOn]);
        // A run that looked at nothing proves nothing: it must not end like one that found everything in order.
        const unproven = report.checked === 0 || (failOn !== 'critical' && !report.ok);
        return serious || unproven ? exitCode.findings : exitCode.ok;
      }),
    );
}

interface VerifyArguments {
  readonly checks: NonNullable<VerifyOptions['checks']>;
  readonly failOn: Severity;
  readonly sarif?: boolean | undefined;
}

function written({ severity, id, location, message, remedy }: Finding, { output: { colors } }: CliSession): string {
  const paint = { critical: colors.red, error: colors.red, warning: colors.yellow, info: colors.cyan }[severity];
  return `${paint(severity)} ${printable(id)}  ${printable(location)}\n  ${printable(message)}\n  ${colors.dim('remedy:')} ${printable(remedy)}\n`;
}

function summary(checked: number, findings: readonly Finding[], { output: { colors } }: CliSession): string {
  if (checked === 0) return `${colors.red('Nothing was checked.')} There is no tenant, or none could be looked at.\n`;
  if (findings.length === 0) return `${colors.green('No findings.')} ${checked} objects and rules were checked.\n`;
  return `${findings.length} finding${findings.length === 1 ? '' : 's'}; ${checked} objects and rules were checked.\n`;
}
