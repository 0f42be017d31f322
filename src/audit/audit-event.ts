import { randomUUID } from 'node:crypto';
import type { ChainLink } from './chain-link.ts';

/** What happened. Cross-tenant work is `allowed` before it begins and `completed` or `failed` after; everything else that reached out is `refused`. */
export type AuditOutcome = 'allowed' | 'refused' | 'completed' | 'failed';

/** Which kind of attempt or act an audit entry records; which refusal is which is in docs/concepts.md, "A scope, and what it refuses". */
export type AuditAction =
  | 'scope.none' // tenant data asked for without a tenant
  | 'scope.inactive' // a suspended or unfinished tenant's scope asked for
  | 'scope.nested' // another tenant's scope opened inside one
  | 'scope.wrong-tenant' // a builder or raw query carried into another scope
  | 'query.foreign-tenant-id' // another tenant's id in a where, an insert, an update
  | 'query.policy' // PostgreSQL answered 42501
  | 'query.silent' // row-level security answered nothing: what the control plane found out about it
  | 'residency' // a region that the tenant's residency does not allow
  | 'across-tenants' // acrossTenants, as a whole and per tenant
  | 'login' // a service login that could step over RLS
  | 'key' // key use: created, unwrapped, refused
  | 'tenant' // provisioning, status and placement changes
  | 'audit'; // the audit log itself: what it held before its chains began

/** One audit entry. Holds ids, names and counts only: no parameters, no row values, no keys. */
export interface AuditEvent {
  /** A UUID; refusals carry it as `auditId`. */
  readonly id: string;
  /** When it happened, by this process's clock. */
  readonly at: Date;
  /** What was attempted or done. */
  readonly action: AuditAction;
  /** How it ended. */
  readonly outcome: AuditOutcome;
  /** The tenant in whose scope it happened. */
  readonly tenantId: string | undefined;
  /** The tenant that was reached for, where it is known. */
  readonly targetTenantId: string | undefined;
  /** Who did it: what `acrossTenants` or the control plane was given. */
  readonly actor: string | undefined;
  /** Why: what `acrossTenants` was given, or which change of a tenant it was. */
  readonly reason: string | undefined;
  /** The `requestId` that the scope was opened with: a request's id, or a trace's. */
  readonly requestId: string | undefined;
  /** The library's error code or PostgreSQL's SQLSTATE. */
  readonly errorCode: string | undefined;
  /** Hash of the statement's text, which holds placeholders only. */
  readonly statementFingerprint: string | undefined;
  /**
   * What else belongs to the action: regions, a login, a step, how many tenants. `repeats`, `firstAt` and `lastAt` where one entry stands
   * for several attempts; `statements`, `rowsRead` and `rowsWritten` where work across tenants ended.
   */
  readonly detail: Readonly<Record<string, string | number | boolean>>;
  /** Its place in its writer's chain; undefined for an entry that has none. */
  readonly link?: ChainLink | undefined;
}

/** An event as its reporter gives it; id, time and absent fields are filled in. */
export type AuditEntry = Pick<AuditEvent, 'action' | 'outcome'> & Partial<Omit<AuditEvent, 'action' | 'outcome' | 'link'>>;

/** Completes an entry: a fresh id, the time, undefined for what was not given. */
export function auditEvent(entry: AuditEntry): AuditEvent {
  return Object.freeze({
    id: entry.id ?? randomUUID(),
    at: entry.at ?? new Date(),
    action: entry.action,
    outcome: entry.outcome,
    tenantId: entry.tenantId,
    targetTenantId: entry.targetTenantId,
    actor: entry.actor,
    reason: entry.reason,
    requestId: entry.requestId,
    errorCode: entry.errorCode,
    statementFingerprint: entry.statementFingerprint,
    detail: Object.freeze({ ...entry.detail }),
  });
}
