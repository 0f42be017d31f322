import type { Command } from 'commander';
import { MigrationError } from '../../errors.ts';
import type { MigrationTargetReport } from '../../migrate/migration-report.ts';
import { parseTenantId } from '../../tenant/tenant-id.ts';
import { collect, wholeNumber } from '../arguments.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { requireTier } from '../require-tier.ts';
import type { Column } from '../table.ts';

interface UpOptions {
  readonly tier?: string;
  readonly tenant?: readonly string[];
  readonly concurrency?: number;
  readonly keepGoing?: boolean;
}

/** `tenancy migrate up`: brings every chosen tenant's tables to the newest migration. */
export function addMigrateUp(parent: Command, session: CliSession): void {
  parent
    .command('up')
    .description('bring tenants’ tables to the newest migration')
    .option('--tier <name>', 'only tenants of this tier')
    .option('--tenant <id>', 'only this tenant; may be given several times', collect)
    .option('--concurrency <n>', 'how many targets at a time (4)', wholeNumber(1, 64))
    .option('--keep-going', 'go on with other targets when one fails')
    .action(async (options: UpOptions) => {
      const tenants = options.tenant?.map(parseTenantId);
      await session.withControl(async (control, config) => {
        requireTier(options.tier, config);
        using bar = session.output.progress('migrate');
        const report = await control.migrate({
          tier: options.tier,
          tenants,
          concurrency: options.concurrency,
          stopOnError: options.keepGoing !== true,
          signal: session.signal,
          onProgress: ({ done, total, target }) => bar.update(done, total, target),
        });
        bar[Symbol.dispose]();
        session.output.result(report, () => {
          const of = (outcome: MigrationTargetReport['outcome']): number =>
            report.targets.filter((target) => target.outcome === outcome).length;
          return (
            session.output.table(report.targets, columns(session), 'No targets.') +
            `\n${of('migrated')} migrated, ${of('unchanged')} unchanged, ${of('failed')} failed, ${of('skipped')} skipped\n`
          );
        });
        const failed = report.targets.filter(({ outcome }) => outcome === 'failed');
        for (const { error } of session.output.json ? [] : failed) if (error !== undefined) session.output.error(error);
        if (report.failed > 0) {
          session.output.error(
            new MigrationError(`${report.failed} of ${report.targets.length} targets failed.`, {
              hint: 'Their transactions were rolled back; mend the cause and run migrate up again.',
            }),
          );
          return exitCode.targetsFailed;
        }
        if (report.targets.some(({ outcome }) => outcome === 'skipped')) session.refuseWhenAborted();
        return exitCode.ok;
      });
    });
}

function columns({ output: { colors } }: CliSession): readonly Column<MigrationTargetReport>[] {
  const paint = { migrated: colors.green, unchanged: undefined, failed: colors.red, skipped: colors.yellow };
  return [
    { title: 'TARGET', value: ({ target }) => target },
    { title: 'OUTCOME', value: ({ outcome }) => outcome, paint: ({ outcome }) => paint[outcome] },
    { title: 'MS', align: 'right', value: ({ durationMs }) => Math.round(durationMs) },
    {
      title: 'APPLIED',
      value: ({ applied }) =>
        applied.length > 3 ? `${applied.length} migrations, up to ${applied.at(-1)}` : applied.join(', ') || undefined,
    },
  ];
}
