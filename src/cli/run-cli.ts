import { Command, CommanderError } from 'commander';
import { CliOutput, type CliStream } from './cli-output.ts';
import { CliSession } from './cli-session.ts';
import { addAuditExport } from './commands/audit-export.ts';
import { addAuditList } from './commands/audit-list.ts';
import { addAuditProbe } from './commands/audit-probe.ts';
import { addAuditTail } from './commands/audit-tail.ts';
import { addAuditVerify } from './commands/audit-verify.ts';
import { addColumnsBackfill } from './commands/columns-backfill.ts';
import { addColumnsContract } from './commands/columns-contract.ts';
import { addColumnsStatus } from './commands/columns-status.ts';
import { addInit } from './commands/init.ts';
import { addKeysContext } from './commands/keys-context.ts';
import { addKeysDestroy } from './commands/keys-destroy.ts';
import { addKeysMove } from './commands/keys-move.ts';
import { addKeysRewrapPlatform } from './commands/keys-rewrap-platform.ts';
import { addKeysRotate } from './commands/keys-rotate.ts';
import { addKeysShred } from './commands/keys-shred.ts';
import { addKeysStatus } from './commands/keys-status.ts';
import { addKeysVerifyCertificate } from './commands/keys-verify-certificate.ts';
import { addMigrateStatus } from './commands/migrate-status.ts';
import { addMigrateUp } from './commands/migrate-up.ts';
import { addTenantCreate } from './commands/tenant-create.ts';
import { addTenantList } from './commands/tenant-list.ts';
import { addTenantShow } from './commands/tenant-show.ts';
import { addTenantUpdate } from './commands/tenant-update.ts';
import { addVerify } from './commands/verify.ts';
import type { CreateControlPlane, CreateKeyManager } from './control-plane-factory.ts';
import { exitCodeOf } from './error-report.ts';
import { type ExitCode, exitCodeHelp } from './exit-code.ts';

/** What {@link runCli} needs of its surroundings. */
export interface RunCliOptions {
  readonly stdout: CliStream;
  readonly stderr: CliStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly createControlPlane: CreateControlPlane;
  readonly createKeyManager: CreateKeyManager;
  /** The folder that relative paths start from; the process's unless told. */
  readonly cwd?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly version?: string | undefined;
}

/**
 * Runs one command of the CLI. Nothing is thrown: errors are printed and the exit code says which kind it was.
 *
 * @param argv the arguments after the program's name
 * @returns the exit code
 * @example
 * ```ts
 * process.exitCode = await runCli(['tenant', 'list', '--json'], { stdout, stderr, env, createControlPlane, createKeyManager });
 * ```
 */
export async function runCli(argv: readonly string[], options: RunCliOptions): Promise<ExitCode> {
  const { stdout, stderr, env, createControlPlane, createKeyManager } = options;
  const output = new CliOutput({ stdout, stderr, env, json: asksForJson(argv) });
  const session = new CliSession({
    output,
    env,
    createControlPlane,
    createKeyManager,
    cwd: options.cwd ?? process.cwd(),
    signal: options.signal ?? new AbortController().signal,
  });
  try {
    await program(session, options).parseAsync([...argv], { from: 'user' });
    return session.exitCode;
  } catch (error) {
    const code = exitCodeOf(error);
    // Help and version are printed already, and so are wrong arguments where people read.
    if (!(error instanceof CommanderError) || (output.json && code !== 0)) output.error(error);
    return code;
  }
}

/** Whether the arguments ask for JSON: known before they are parsed, since wrong arguments are reported as JSON too. */
export function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).includes('--json');
}

function program(session: CliSession, { stdout, stderr, version = '0.0.0' }: RunCliOptions): Command {
  const root = new Command('tenancy')
    .description('Tenants, their databases, migrations and audit.')
    .version(version)
    .option('-c, --config <file>', 'configuration file (TENANCY_CONFIG, tenancy.yaml)')
    .option('--json', 'print one JSON document on stdout; errors as JSON on stderr')
    .addHelpText('after', exitCodeHelp)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => {
        if (!session.output.json) stderr.write(text);
      },
      getOutHelpWidth: () => 120,
      getErrHelpWidth: () => 120,
    })
    .showHelpAfterError('(--help shows what is possible)')
    .exitOverride()
    .hook('preAction', (command) => session.useConfig(command.opts<{ config?: string }>().config));
  addInit(root, session);
  const tenant = root.command('tenant').description('create, change and show tenants');
  for (const add of [addTenantCreate, addTenantUpdate, addTenantList, addTenantShow]) add(tenant, session);
  const migrate = root.command('migrate').description('migrate the tenants’ tables');
  for (const add of [addMigrateUp, addMigrateStatus]) add(migrate, session);
  addVerify(root, session);
  const keys = root.command('keys').description('rotate, move and destroy tenants’ keys');
  const keyCommands = [
    addKeysContext,
    addKeysStatus,
    addKeysRotate,
    addKeysRewrapPlatform,
    addKeysMove,
    addKeysShred,
    addKeysVerifyCertificate,
    addKeysDestroy,
  ];
  for (const add of keyCommands) add(keys, session);
  const columns = root.command('columns').description('encrypt columns of tables that have rows already');
  for (const add of [addColumnsStatus, addColumnsBackfill, addColumnsContract]) add(columns, session);
  const audit = root.command('audit').description('read and check the audit log');
  for (const add of [addAuditList, addAuditTail, addAuditExport, addAuditVerify, addAuditProbe]) add(audit, session);
  return root;
}
