import type { AuditEvent } from '../audit/audit-event.ts';

/** An audit entry under the catalog's column names, and one line of JSON in a log. */
export interface StorableEvent {
  readonly id: string;
  readonly at: string;
  readonly action: string;
  readonly outcome: string;
  readonly tenant_id: string | null;
  readonly target_tenant_id: string | null;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly request_id: string | null;
  readonly error_code: string | null;
  readonly statement_fingerprint: string | null;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

/** Every field of an event, in a form that jsonb can hold. */
export function storableEvent(event: AuditEvent): StorableEvent {
  return {
    id: event.id,
    at: event.at.toISOString(),
    action: event.action,
    outcome: event.outcome,
    tenant_id: storable(event.tenantId),
    target_tenant_id: storable(event.targetTenantId),
    actor: storable(event.actor),
    reason: storable(event.reason),
    request_id: storable(event.requestId),
    error_code: storable(event.errorCode),
    statement_fingerprint: storable(event.statementFingerprint),
    detail: Object.fromEntries(
      Object.entries(event.detail).map(([key, value]) => [storableText(key), typeof value === 'string' ? storableText(value) : value]),
    ),
  };
}

function storable(value: string | undefined): string | null {
  return value === undefined ? null : storableText(value);
}

/**
 * jsonb takes neither U+0000 nor half of a surrogate pair. Ids and reasons come from requests, and an entry must not be lost because
 * an attacker put one into them.
 */
function storableText(value: string): string {
  return value.replace(/\0|\p{Surrogate}/gu, '\ufffd');
}
