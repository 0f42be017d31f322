import type { Command } from 'commander';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';

/** `tenancy migrate status`: which migration each target has and which it lacks. */
export function addMigrateStatus(parent: Command, session: CliSession): void {
  parent
    .command('status')
    .description('show each target’s newest migration and what is pending')
    .action(() =>
      session.withControl(async (control) => {
        const targets = await control.migrationStatus();
        session.output.result({ targets }, () =>
          session.output.table(
            targets,
            [
              { title: 'TARGET', value: ({ target }) => target },
              { title: 'VERSION', value: ({ version }) => version },
              {
                title: 'PENDING',
                value: ({ pending }) => (pending.length === 0 ? 'none' : pending.join(', ')),
                paint: ({ pending }) => (pending.length === 0 ? session.output.colors.green : session.output.colors.yellow),
              },
            ],
            'No targets.',
          ),
        );
        return exitCode.ok;
      }),
    );
}
