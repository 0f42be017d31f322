import type { Command } from 'commander';
import { wholeNumber } from '../arguments.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { printable } from '../table.ts';
import { type ColumnsOptions, columnScope, withColumnsOptions } from './columns-options.ts';
import { rowsOf, tenantErrors } from './columns-words.ts';
import { actorOf } from './keys-words.ts';

interface BackfillOptions extends ColumnsOptions {
  readonly batch?: number;
  readonly rows?: number;
  readonly actor?: string;
}

/** `tenancy columns backfill`: encrypts rows that are in plaintext and gives tags to those without. */
export function addColumnsBackfill(parent: Command, session: CliSession): void {
  withColumnsOptions(
    parent
      .command('backfill')
      .description('encrypt what is in plaintext and tag what its index does not find, while services run; run it again to go on'),
  )
    .option('--batch <n>', 'rows in one transaction (200)', wholeNumber(1, 10_000))
    .option('--rows <n>', 'at most so many rows a second', wholeNumber(1, 1_000_000))
    .option('--actor <name>', 'who does this, for the audit; else TENANCY_ACTOR, else the user')
    .action(async (options: BackfillOptions) => {
      await session.withControl(async (control, config) => {
        const scope = await columnScope(session, options, config);
        using bar = session.output.progress('backfill');
        const report = await control.columns.backfill({
          ...scope,
          actor: actorOf(session, options.actor),
          batchSize: options.batch,
          rowsPerSecond: options.rows,
          onProgress: ({ tenantId, column, done, total }) => bar.update(done, total, `${tenantId} ${column}`),
        });
        bar[Symbol.dispose]();
        const columns = rowsOf(report.tenants);
        session.output.result(report, () => {
          const table = session.output.table(
            columns,
            [
              { title: 'TENANT', value: ({ tenantId }) => tenantId },
              { title: 'COLUMN', value: ({ column }) => column },
              { title: 'ENCRYPTED', align: 'right', value: ({ encrypted }) => encrypted },
              { title: 'TAGGED', align: 'right', value: ({ tagged }) => tagged },
              { title: 'REMAINING', align: 'right', value: ({ remaining }) => remaining },
              { title: 'UNCONVERTIBLE', align: 'right', value: ({ unconvertible }) => unconvertible },
              { title: 'CONFLICTING', align: 'right', value: ({ conflicting }) => conflicting },
              { title: 'UNREADABLE', align: 'right', value: ({ unreadable }) => unreadable },
            ],
            'No columns.',
          );
          const left = columns.flatMap(({ tenantId, column, left: rows }) =>
            rows.map(({ key, reason }) => `${tenantId} ${column} ${reason}: ${printable(JSON.stringify(key))}\n`),
          );
          return left.length === 0 ? table : `${table}\n${left.join('')}`;
        });
        if (tenantErrors(session, report.tenants)) return exitCode.targetsFailed;
        return report.done ? exitCode.ok : exitCode.findings;
      });
    });
}
