import type { Command } from 'commander';
import type { ColumnStatus } from '../../control.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { type ColumnsOptions, columnScope, withColumnsOptions } from './columns-options.ts';
import { rowsOf, tenantErrors } from './columns-words.ts';

/** `tenancy columns status`: which rows are in plaintext, encrypted, or not found by their index. */
export function addColumnsStatus(parent: Command, session: CliSession): void {
  withColumnsOptions(
    parent.command('status').description('count rows that are in plaintext, encrypted, or without a tag for their index'),
  ).action(async (options: ColumnsOptions) => {
    await session.withControl(async (control, config) => {
      const tenants = await control.columns.status(await columnScope(session, options, config));
      const { colors } = session.output;
      session.output.result({ tenants }, () =>
        session.output.table(
          rowsOf(tenants),
          [
            { title: 'TENANT', value: ({ tenantId }) => tenantId },
            { title: 'COLUMN', value: ({ column }) => column },
            { title: 'TAKES OVER', value: ({ adopts }) => adopts && `${adopts.column}, writes ${adopts.write}` },
            {
              title: 'PLAINTEXT',
              align: 'right',
              value: ({ plaintext }) => plaintext,
              paint: ({ plaintext }) => (plaintext > 0 ? colors.yellow : undefined),
            },
            { title: 'ENCRYPTED', align: 'right', value: ({ encrypted }) => encrypted },
            {
              title: 'UNTAGGED',
              align: 'right',
              value: ({ untagged }) => untagged,
              paint: ({ untagged }) => (untagged > 0 ? colors.yellow : undefined),
            },
            { title: 'CONTRACTED', value: ({ adopts, contracted }) => (adopts === undefined ? undefined : contracted ? 'yes' : 'no') },
          ],
          'No columns.',
        ),
      );
      if (tenantErrors(session, tenants)) return exitCode.targetsFailed;
      return rowsOf(tenants).some(isUnfinished) ? exitCode.findings : exitCode.ok;
    });
  });
}

function isUnfinished({ plaintext, untagged }: ColumnStatus): boolean {
  return plaintext > 0 || untagged > 0;
}
