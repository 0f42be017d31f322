import {
  AbortedError,
  LaneLostError,
  PlanInvalidatedError,
  PolicyViolationError,
  QueryFailedError,
  type SqlFailure,
  type TenancyError,
} from '../errors.ts';
import { conditionName } from './sql-state.ts';
import type { ServerError } from './wire.ts';

/** PostgreSQL's and tenancy's own words of refusal: they name objects and tenants, never a row's values. */
const valueless = [
  /^tenancy: context refused \((?:malformed|signature|expired|audience|backend|key|maintenance)\)$/,
  /^tenancy: [a-z_ ]{1,60}(?: [a-z][a-z0-9-]{0,47}| \*)? (?:may not use rows of tenant|may not [a-z ]{1,60}|can't [a-z ]{1,60})(?: [a-z][a-z0-9-]{0,47})?$/,
  /^permission denied for [a-z ]{1,40} [^\s'"]{1,63}$/,
  /^permission denied to [a-z ]{1,60}(?: "[^"]{1,63}")?$/,
  /^permission denied: "[^"]{1,63}" is a system (?:catalog|trigger)$/,
  /^must be (?:owner of|superuser to|able to SET ROLE) [^'\n]{1,90}$/,
  /^new row violates row-level security policy(?: "[^"]{1,63}")?(?: \(USING expression\))? for table "[^"]{1,63}"$/,
  /^query would be affected by row-level security policy for table "[^"]{1,63}"$/,
];

const retryable: ReadonlySet<string> = new Set(['40001', '40P01', '55P03']);

export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && error.name === 'PostgresError' && /^[0-9A-Z]{5}$/.test(String((error as { code?: unknown }).code));
}

/** What failed, in the library's words: SQLSTATE, its name and the names of database objects. */
export function queryError(error: ServerError, tenantId: string | undefined, attempt = 'A statement'): QueryFailedError {
  const failure = failureOf(error);
  const who = tenantId === undefined ? attempt : `${attempt} of tenant ${tenantId}`;
  const place = placeOf(failure);
  if (error.code === '42501') {
    const message = valueless.some((form) => form.test(error.message)) ? error.message : `${conditionName(error.code)}${place}`;
    return new PolicyViolationError(`${who} was refused by PostgreSQL: ${message} (42501).`, failure, { tenantId });
  }
  return new QueryFailedError(`${who} failed: ${conditionName(error.code)}${place} (${error.code}).`, failure, {
    tenantId,
    retryable: retryable.has(error.code),
  });
}

/** The same, or {@link AbortedError} when its caller gave up and it, or what ran before it in the transaction, was cancelled. */
export function statementError(error: ServerError, tenantId: string, aborted: boolean): TenancyError {
  return aborted && (error.code === '57014' || error.code === '25P02')
    ? abortedError(tenantId, 'A statement')
    : queryError(error, tenantId);
}

export function abortedError(tenantId: string | undefined, what: string): AbortedError {
  return new AbortedError(`${what}${tenantId === undefined ? '' : ` of tenant ${tenantId}`} was aborted; nothing of it was kept.`, {
    tenantId,
  });
}

export function planError(tenantId: string): PlanInvalidatedError {
  return new PlanInvalidatedError(`The plan of a statement of tenant ${tenantId} was invalidated by a migration; nothing was kept.`, {
    tenantId,
    retryable: true,
    hint: 'Run the whole transaction again.',
  });
}

/** @param sent whether the COMMIT may have reached the server */
export function lostError(tenantId: string | undefined, sent: boolean): LaneLostError {
  const who = tenantId === undefined ? '' : ` of tenant ${tenantId}`;
  return sent
    ? new LaneLostError(`The connection died after the COMMIT of a unit${who} was sent: whether it was kept is unknown.`, {
        tenantId,
        sent,
        hint: 'Read before writing again, or make the write idempotent.',
      })
    : new LaneLostError(`The connection died before anything${who} could be kept.`, { tenantId, sent, hint: 'Try again.' });
}

function failureOf(error: ServerError): SqlFailure {
  return Object.freeze({
    sqlState: error.code,
    severity: nameOf(error.severity),
    schema: nameOf(error.schema_name),
    table: nameOf(error.table_name),
    column: nameOf(error.column_name),
    constraint: nameOf(error.constraint_name),
    routine: nameOf(error.routine),
  });
}

/** RAISE can put any text where names are expected; what is no plain name is left out. */
function nameOf(value: string | undefined): string | undefined {
  return value !== undefined && /^[\p{L}_][\p{L}\p{N}_$]{0,62}$/u.test(value) ? value : undefined;
}

function placeOf({ table, column, constraint }: SqlFailure): string {
  return [
    constraint === undefined ? '' : ` of constraint "${constraint}"`,
    column === undefined ? '' : ` in column "${column}"`,
    table === undefined ? '' : ` of table "${table}"`,
  ].join('');
}
