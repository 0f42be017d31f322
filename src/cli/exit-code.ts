/** What the CLI's exit codes mean; part of its interface and printed by `tenancy --help`. */
export const exitCode = Object.freeze({
  ok: 0,
  failure: 1,
  /** Wrong arguments, or a configuration or tenant file that can't be used: nothing was attempted. */
  usage: 2,
  /** `verify` found something at level error or critical, or found nothing to check; `audit verify`, `keys status` or `keys verify-certificate` found something; `columns status` or `columns backfill` left rows. */
  findings: 3,
  /** `migrate up`: at least one target failed; `columns`: at least one tenant. */
  targetsFailed: 4,
} as const);

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** The lines of `--help` about exit codes. */
export const exitCodeHelp = `
Exit codes:
  0  done
  1  failed, or interrupted (a second Ctrl-C ends at once with 130)
  2  wrong arguments or configuration; nothing was attempted
  3  verify: findings at level error or critical (--fail-on), or nothing was checked; audit verify,
     keys status, keys verify-certificate: findings; columns status, columns backfill: rows are left
  4  migrate up: some targets failed; columns: some tenants failed

Configuration: --config, else the variable TENANCY_CONFIG, else ./tenancy.yaml. Its values may hold \${VARIABLE}.
Results go to stdout, progress and errors to stderr; NO_COLOR is honoured.`;
