import type { AuditEvent } from './audit-event.ts';

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
  /** The chain that it is in, and its place there; null for an entry without a link, like the next two. */
  readonly writer: string | null;
  readonly writer_seq: number | null;
  /** Hexadecimal, 64 digits. */
  readonly previous_mac: string | null;
  readonly mac: string | null;
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
    detail: Object.fromEntries(Object.entries(event.detail).map(([key, value]) => [storableText(key), storableValue(value)])),
    writer: event.link?.writer ?? null,
    writer_seq: event.link?.seq ?? null,
    previous_mac: event.link?.previous ?? null,
    mac: event.link?.mac ?? null,
  };
}

function storable(value: string | undefined): string | null {
  return value === undefined ? null : storableText(value);
}

function storableValue(value: string | number | boolean): string | number | boolean {
  if (typeof value === 'string') return storableText(value);
  // JSON has no infinity and no NaN, and would make null of them.
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/**
 * jsonb takes neither U+0000 nor half of a surrogate pair. Ids and reasons come from requests, and an entry must not be lost because
 * an attacker put one into them.
 */
function storableText(value: string): string {
  return value.replace(/\0|\p{Surrogate}/gu, '\ufffd');
}
