import type { CliSession } from './cli-session.ts';

/** Who runs the CLI, for the audit log, where no `--actor` says so. */
export function actorOf(env: CliSession['env']): string {
  return env['TENANCY_ACTOR'] || env['USER'] || env['LOGNAME'] || 'tenancy-cli';
}
