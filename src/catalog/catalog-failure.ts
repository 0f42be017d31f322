import { CatalogError, TenancyError } from '../errors.ts';
import type { CatalogAttempt } from './catalog-session.ts';

const connectionCodes: ReadonlySet<string> = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EPIPE',
  '57P01',
  '57P02',
  '57P03',
  '53300',
]);

const hints: Readonly<Record<string, string>> = {
  '3D000': 'The catalog database does not exist: run `tenancy init`.',
  '3F000': 'The catalog is not installed in this database: run `tenancy init`.',
  '42P01': 'The catalog is not installed in this database or is older than this release: run `tenancy init`.',
  '42703': 'The catalog is older than this release: run `tenancy init`.',
  '42883': 'The catalog is not installed in this database or is older than this release: run `tenancy init`.',
  '28P01': 'The login or password in the catalog URL is wrong.',
  '28000': 'The login in the catalog URL may not connect.',
  '42501': 'This login may not do that: services read the catalog, only its owner writes it.',
};

/** The code that the driver or PostgreSQL gave an error: a SQLSTATE, a socket's errno, or undefined. */
export function failureCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Whether an error says that the connection is gone rather than that the server refused the statement. */
export function isConnectionFailure(error: unknown): boolean {
  const code = failureCode(error);
  return code !== undefined && (connectionCodes.has(code) || code.startsWith('08'));
}

/** The constraint that a failed write ran into, where there was one. */
export function failedConstraint(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('constraint_name' in error)) return undefined;
  return typeof error.constraint_name === 'string' ? error.constraint_name : undefined;
}

/**
 * What a failed catalog query becomes. The driver's error is left behind on purpose: it holds the statement's parameters, and
 * PostgreSQL's detail holds values.
 */
export function catalogFailure(attempt: CatalogAttempt, error: unknown): TenancyError {
  if (error instanceof TenancyError) return error;
  const code = failureCode(error);
  if (isConnectionFailure(error)) {
    return new CatalogError(`The catalog could not be reached while ${attempt.doing} (${code}).`, {
      tenantId: attempt.tenantId,
      retryable: true,
      hint: 'Check the catalog URL and that its server is up.',
    });
  }
  const constraint = failedConstraint(error);
  return new CatalogError(
    `The catalog failed while ${attempt.doing} (${code ?? errorName(error)}${constraint === undefined ? '' : `, ${constraint}`}).`,
    { tenantId: attempt.tenantId, hint: code === undefined ? undefined : hints[code] },
  );
}

function errorName(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
