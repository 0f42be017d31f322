import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { ConfigurationError } from '../../errors.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';

/** `tenancy keys verify-certificate`: whether this platform signed a certificate of shredding. */
export function addKeysVerifyCertificate(parent: Command, session: CliSession): void {
  parent
    .command('verify-certificate')
    .description('check that a certificate of shredding is this platform’s, unchanged')
    .argument('<file>', 'the certificate, as keys shred wrote it')
    .action(async (file: string) => {
      const certificate = await readCertificate(session.path(file));
      await session.withControl(async (control) => {
        const valid = await control.verifyShredCertificate(certificate);
        const { green, red } = session.output.colors;
        session.output.result({ valid }, () => (valid ? `${green('valid')}\n` : `${red('not valid')}: not this platform’s, or changed\n`));
        return valid ? exitCode.ok : exitCode.findings;
      });
    });
}

async function readCertificate(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new ConfigurationError(`The certificate ${path} can't be read as JSON.`, { cause });
  }
}
