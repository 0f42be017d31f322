import { QueryFailedError, TenancyError } from '../errors.ts';
import type { StatementOutcome } from './statement-event.ts';

/** An error by names alone: messages, causes and stacks may hold a caller's words. */
export interface FailureNames {
  readonly outcome: Exclude<StatementOutcome, 'ok'>;
  /** The library's code. */
  readonly code: string | undefined;
  readonly sqlState: string | undefined;
  /** OpenTelemetry's `error.type`: the SQLSTATE, the library's code, or `_OTHER`. */
  readonly type: string;
}

export function failureNames(error: unknown): FailureNames {
  const code = error instanceof TenancyError ? error.code : undefined;
  const sqlState = error instanceof QueryFailedError ? error.sqlState : undefined;
  return { outcome: code === 'ABORTED' ? 'aborted' : 'failed', code, sqlState, type: sqlState ?? code ?? '_OTHER' };
}
