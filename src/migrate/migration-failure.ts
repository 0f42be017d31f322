import { MigrationError, PolicyViolationError, QueryFailedError, type SqlFailure, TenancyError } from '../errors.ts';
import type { MigrationTarget } from './migration-target.ts';

/** What `pg` throws for an error that PostgreSQL reported. */
interface DatabaseError extends Error {
  readonly code: string;
  readonly severity?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
  readonly routine?: string;
  readonly position?: string;
}

/**
 * The classes of SQLSTATE whose message names objects only. Others (22: `invalid input syntax …: "4111 …"`, P0: whatever RAISE was given)
 * may quote a row, and what PostgreSQL puts into detail, where and internal query always may.
 */
const speakingClasses = ['08', '0A', '25', '2B', '3D', '3F', '40', '42', '53', '54', '55', '57'];
/** `23503` names the constraint; its message is free of values, which stand in the detail. */
const speakingStates = ['23502', '23503', '23505', '23514', '23P01'];
/** Lock not available, deadlock, serialization failure, connection lost, too many connections, shutting down. */
const retryable = /^(?:55P03|40P01|40001|08|53300|57P0)/;

const hints: Readonly<Record<string, string>> = {
  '55P03': 'Another session holds a lock on the table: run again when traffic is low, or raise lockTimeoutMs.',
  '55P04': 'A value added to an enum can be used only after it was committed: put its first use into a migration of its own.',
  '25001': 'PostgreSQL refuses this statement inside a transaction: put it into a migration of its own.',
  '23503': 'Rows break the new foreign key: repair them in a migration before it.',
};

/** Makes the error that a failed migration is reported by; nothing in it can hold a row's values. */
export function migrationFailure(
  error: unknown,
  target: MigrationTarget,
  migration: string | undefined,
  kept: readonly string[] = [],
): MigrationError {
  if (error instanceof MigrationError && error.migration !== undefined && error.tenantId !== undefined) return error;
  const what = migration === undefined ? `Migrating ${target.key} failed` : `The migration "${migration}" of ${target.key} failed`;
  const outcome = kept.length === 0 ? '' : ` What had been committed before stays: ${kept.join(', ')}.`;
  const options = { tenantId: target.tenantId, migration };
  if (!isDatabaseError(error)) {
    const message = error instanceof Error ? error.message : 'something that is no Error was thrown';
    const cause = error instanceof TenancyError ? error : undefined;
    return new MigrationError(`${what}: ${withStop(message)}${outcome}`, {
      ...options,
      cause,
      retryable: cause?.retryable ?? isConnectionLoss(error),
    });
  }
  const speaks = speakingClasses.includes(error.code.slice(0, 2)) || speakingStates.includes(error.code);
  const said = speaks ? error.message : 'the data met a condition whose message may quote it';
  const failure: SqlFailure = {
    sqlState: error.code,
    severity: error.severity,
    schema: error.schema,
    table: error.table,
    column: error.column,
    constraint: error.constraint,
    routine: error.routine,
  };
  const cause = new (error.code === '42501' ? PolicyViolationError : QueryFailedError)(
    `PostgreSQL answered ${error.code}: ${said}`,
    failure,
    { tenantId: target.tenantId },
  );
  return new MigrationError(`${what} with ${error.code}: ${withStop(said)}${outcome}`, {
    ...options,
    cause,
    hint: hints[error.code],
    retryable: retryable.test(error.code),
  });
}

function isDatabaseError(error: unknown): error is DatabaseError {
  return (
    error instanceof Error && 'severity' in error && 'code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code)
  );
}

function isConnectionLoss(error: unknown): boolean {
  return (
    error instanceof Error && (('code' in error && /^E[A-Z]+$/.test(String(error.code))) || /connection terminated/i.test(error.message))
  );
}

function withStop(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}
