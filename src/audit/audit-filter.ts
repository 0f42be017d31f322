import type { AuditOutcome } from './audit-event.ts';

/** Which audit entries to read; all unless told. */
export interface AuditFilter {
  /** Entries of this tenant's scope, or that reached for it. */
  readonly tenantId?: string | undefined;
  readonly action?: string | undefined;
  readonly outcome?: AuditOutcome | undefined;
  /** From this time on. */
  readonly since?: Date | undefined;
  /** Before this time. */
  readonly until?: Date | undefined;
  /** Newest first; 100 unless told, at most 10,000. */
  readonly limit?: number | undefined;
}
