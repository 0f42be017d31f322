import { type Command, Option } from 'commander';
import type { KeyMoveOptions } from '../../control.ts';
import { CatalogError } from '../../errors.ts';
import { parseTenantId } from '../../tenant/tenant-id.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { printable } from '../table.ts';
import { actorOf, waiting } from './keys-words.ts';

interface MoveOptions extends Pick<KeyMoveOptions, 'provider' | 'protection' | 'disableOld'> {
  readonly actor?: string;
}

/** `tenancy keys move`: wraps a tenant's keys under another KEK. */
export function addKeysMove(parent: Command, session: CliSession): void {
  parent
    .command('move')
    .description('move a tenant’s keys under another KEK; no row is rewritten')
    .argument('<tenant>', 'the tenant’s id')
    .option('--provider <name>', 'the key manager, such as local/eu-west-1; the one that it has unless told')
    .addOption(
      new Option('--protection <kind>', 'a KEK of its own with this protection; what its tier asks for unless told').choices([
        'software',
        'hsm',
      ]),
    )
    .option('--disable-old', 'disable its own former KEKs once no service needs them')
    .option('--actor <name>', 'who does this, for the audit; else TENANCY_ACTOR, else the user')
    .action(async (id: string, { actor, ...options }: MoveOptions) => {
      const tenantId = parseTenantId(id);
      await session.withControl(async (control) => {
        const report = await control.moveKeys(tenantId, { ...options, actor: actorOf(session, actor) });
        session.output.result(
          report,
          () =>
            `${report.rewrapped} keys of ${tenantId} are wrapped by ${printable(`${report.to.provider} ${report.to.keyRef}`)} (${report.protection}).\n` +
            report.disabled.map((keyRef) => `Disabled: ${printable(keyRef)}.\n`).join(''),
        );
        if (report.waitingFor.length === 0) return exitCode.ok;
        session.output.error(
          new CatalogError(`The former KEK of ${tenantId} was not disabled.${waiting(report.waitingFor)}`, {
            tenantId,
            retryable: true,
            hint: 'Run it again.',
          }),
        );
        return exitCode.failure;
      });
    });
}
