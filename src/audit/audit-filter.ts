import type { AuditOutcome } from './audit-event.ts';

/** Which audit entries to read; all unless told. Every field that is given must hold. */
export interface AuditFilter {
  /** Entries of this tenant's scope, or that reached for it. */
  readonly tenantId?: string | undefined;
  /** An `AuditAction`, or one of a newer release. */
  readonly action?: string | undefined;
  /** Only entries that ended so. */
  readonly outcome?: AuditOutcome | undefined;
  /** Who did it. */
  readonly actor?: string | undefined;
  /** The `requestId` of the scope, or of the work across tenants. */
  readonly requestId?: string | undefined;
  /** From this time on. */
  readonly since?: Date | undefined;
  /** Before this time. */
  readonly until?: Date | undefined;
}

/** Which of the newest entries to list. */
export interface AuditListFilter extends AuditFilter {
  /** How many entries at most, the newest; 100 unless told, from 1 to 10,000. */
  readonly limit?: number | undefined;
}
