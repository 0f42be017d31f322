import { CommanderError } from 'commander';
import { type ConfigIssue, ConfigurationError, InvalidTenantIdError, TenancyError, TenantConfigError } from '../errors.ts';
import { type ExitCode, exitCode } from './exit-code.ts';
import { maskSecrets } from './mask-secrets.ts';

/** An error as `--json` prints it on stderr. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly tenantId: string | null;
  readonly hint: string | null;
  readonly auditId: string | null;
  readonly retryable: boolean;
  /** What the error underneath said. */
  readonly cause: string | null;
  /** Of a tenant file: everything wrong with it, each with its path and, from a file, line and column. */
  readonly issues?: readonly ConfigIssue[];
}

/** What may be printed of an error: no secret, and of a foreign error its first line only, since the rest may hold parameters. */
export function errorReport(error: unknown, secrets: readonly string[]): ErrorReport {
  const clean = (text: string): string => maskSecrets(text, secrets);
  if (!(error instanceof TenancyError)) {
    const code = error instanceof CommanderError ? 'USAGE' : 'UNEXPECTED';
    return { code, message: clean(foreignMessage(error)), tenantId: null, hint: null, auditId: null, retryable: false, cause: null };
  }
  const { hint = null } = error;
  const message = hint !== null && error.message.endsWith(` ${hint}`) ? error.message.slice(0, -hint.length - 1) : error.message;
  return {
    code: error.code,
    message: clean(message),
    tenantId: error.tenantId ?? null,
    hint: hint === null ? null : clean(hint),
    auditId: error.auditId ?? null,
    retryable: error.retryable,
    cause: error.cause === undefined || error instanceof TenantConfigError ? null : clean(foreignMessage(error.cause)),
    ...(error instanceof TenantConfigError ? { issues: error.issues } : {}),
  };
}

/** The exit code that an error ends the CLI with. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  const usage = error instanceof ConfigurationError || error instanceof TenantConfigError || error instanceof InvalidTenantIdError;
  return usage ? exitCode.usage : exitCode.failure;
}

function foreignMessage(error: unknown): string {
  if (!(error instanceof Error)) return 'Something that is no error was thrown.';
  const [first = ''] = error.message.split('\n');
  const code = (error as NodeJS.ErrnoException).code;
  return (first || code || error.name).replace(/^error: /, '').slice(0, 500);
}
