import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { KeyShredOptions } from '../../control.ts';
import { CatalogError, ConfigurationError } from '../../errors.ts';
import { parseTenantId } from '../../tenant/tenant-id.ts';
import { wholeNumber } from '../arguments.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { actorOf, waiting } from './keys-words.ts';

interface ShredOptions extends Pick<KeyShredOptions, 'confirm' | 'reason' | 'force' | 'kek'> {
  readonly days?: number;
  readonly wait?: number;
  readonly certificate?: string;
  readonly actor?: string;
}

/** `tenancy keys shred`: destroys a tenant's keys for good. */
export function addKeysShred(parent: Command, session: CliSession): void {
  parent
    .command('shred')
    .description('destroy a tenant’s keys: what was encrypted under them is gone for good')
    .argument('<tenant>', 'the tenant’s id')
    .requiredOption('--confirm <id>', 'the tenant’s id once more')
    .requiredOption('--reason <text>', 'why, for the certificate')
    .option('--force', 'also when the tenant is active')
    .addOption(new Option('--kek <what>', 'what becomes of its own KEKs (delete)').choices(['delete', 'disable', 'keep']))
    .option('--days <n>', 'in how many days they are deleted (30)', wholeNumber(0, 365))
    .option('--wait <n>', 'seconds to wait for services to let go (30)', wholeNumber(0, 86_400))
    .option('--certificate <file>', 'write the signed certificate there as JSON')
    .option('--actor <name>', 'on whose order; else TENANCY_ACTOR, else the user')
    .action(async (id: string, { actor: named, days, wait, certificate: file, ...options }: ShredOptions) => {
      const tenantId = parseTenantId(id);
      const actor = actorOf(session, named);
      if (actor === undefined) throw new ConfigurationError('Nobody is named on whose order keys are shredded.', { hint: 'Give --actor.' });
      await session.withControl(async (control) => {
        const certificate = await control.shredKeys(tenantId, {
          ...options,
          actor,
          deletionDays: days,
          waitMs: wait === undefined ? undefined : wait * 1_000,
        });
        if (file !== undefined) await writeFile(session.path(file), `${JSON.stringify(certificate, null, 2)}\n`);
        const { keys, complete, processes, keks, shreddedAt } = certificate;
        session.output.result(
          certificate,
          () =>
            `${keys.length} keys of ${tenantId} were destroyed at ${shreddedAt}; ${processes.acknowledged.length} services let go of them.\n`,
        );
        if (complete) return exitCode.ok;
        const silent = processes.silent.map(({ keysEndAt, ...process }) => ({ ...process, keysEndAt: new Date(keysEndAt) }));
        const failed = keks
          .filter(({ failure }) => failure !== undefined)
          .map(({ keyRef, failure }) => ` The KEK ${keyRef} could not be dealt with (${failure}).`);
        session.output.error(
          new CatalogError(`Shredding the keys of ${tenantId} is not complete.${waiting(silent)}${failed.join('')}`, {
            tenantId,
            retryable: true,
            hint: 'Run it again until it is.',
          }),
        );
        return exitCode.failure;
      });
    });
}
