import type { Command } from 'commander';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { printable } from '../table.ts';
import { actorOf } from './keys-words.ts';

/** `tenancy keys rewrap-platform`: wraps everything under the platform's KEKs anew. */
export function addKeysRewrapPlatform(parent: Command, session: CliSession): void {
  parent
    .command('rewrap-platform')
    .description('wrap everything under the platform’s KEKs anew, under their newest versions')
    .option('--new-kek', 'make a new platform KEK in each key manager first')
    .option('--actor <name>', 'who does this, for the audit; else TENANCY_ACTOR, else the user')
    .action(({ newKek, actor }: { readonly newKek?: boolean; readonly actor?: string }) =>
      session.withControl(async (control) => {
        const report = await control.rewrapPlatformKeys({ newKek, actor: actorOf(session, actor) });
        session.output.result(
          report,
          () =>
            `The keys of ${report.tenants} tenants and ${report.secrets} secrets of the platform were wrapped anew.\n` +
            report.retired.map((keyRef) => `Retired, to be kept enabled for the audit log: ${printable(keyRef)}.\n`).join(''),
        );
        return exitCode.ok;
      }),
    );
}
