import type { Command } from 'commander';
import { CatalogError } from '../../errors.ts';
import { parseTenantId } from '../../tenant/tenant-id.ts';
import { wholeNumber } from '../arguments.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { actorOf, waiting } from './keys-words.ts';

interface RotateOptions {
  readonly kek?: boolean;
  readonly batch?: number;
  readonly rows?: number;
  readonly wait?: number;
  readonly actor?: string;
}

/** `tenancy keys rotate`: replaces a tenant's data key and rewrites its rows, or wraps its keys anew. */
export function addKeysRotate(parent: Command, session: CliSession): void {
  parent
    .command('rotate')
    .description('replace a tenant’s data key and encrypt its rows anew while services run; run it again to go on')
    .argument('<tenant>', 'the tenant’s id')
    .option('--kek', 'wrap its keys under the newest version of their KEK instead; no row is rewritten')
    .option('--batch <n>', 'rows in one transaction (200)', wholeNumber(1, 10_000))
    .option('--rows <n>', 'at most so many values a second', wholeNumber(1, 1_000_000))
    .option('--wait <n>', 'seconds to wait for services to follow (30)', wholeNumber(0, 86_400))
    .option('--actor <name>', 'who does this, for the audit; else TENANCY_ACTOR, else the user')
    .action(async (id: string, options: RotateOptions) => {
      const tenantId = parseTenantId(id);
      const actor = actorOf(session, options.actor);
      await session.withControl(async (control) => {
        if (options.kek === true) {
          const report = await control.rewrapKeys(tenantId, { actor });
          session.output.result(report, () => `${report.rewrapped} keys of ${tenantId} were wrapped anew by ${report.to.provider}.\n`);
          return exitCode.ok;
        }
        using bar = session.output.progress('rotate');
        const report = await control.rotateKeys(tenantId, {
          actor,
          batchSize: options.batch,
          rowsPerSecond: options.rows,
          waitMs: options.wait === undefined ? undefined : options.wait * 1_000,
          signal: session.signal,
          onProgress: ({ done, total, column }) => bar.update(done, total, column),
        });
        bar[Symbol.dispose]();
        const { version, step, rewritten, remaining, unreadable, retired, waitingFor } = report;
        session.output.result(
          report,
          () =>
            `The data key of ${tenantId} is at version ${version} (${step}): ${rewritten} values rewritten, ${remaining} to go, ${unreadable} unreadable.\n` +
            (retired.length > 0 ? `Retired: ${retired.join(', ')}.\n` : ''),
        );
        if (step === 'done') return exitCode.ok;
        session.output.error(
          new CatalogError(`The rotation of ${tenantId} is not done.${waiting(waitingFor)}`, {
            tenantId,
            retryable: true,
            hint: 'Run it again: it goes on from there.',
          }),
        );
        return exitCode.failure;
      });
    });
}
