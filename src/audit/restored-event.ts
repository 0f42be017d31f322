import { z } from 'zod';
import type { AuditAction, AuditEvent, AuditOutcome } from './audit-event.ts';
import type { ChainLink } from './chain-link.ts';

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined);

/**
 * An entry as a catalog's row or a spool's line has it. Whoever may append can write rows that no writer would: they are shown as well as
 * can be, and must not keep anybody from reading the others.
 */
const storedEvent = z.object({
  id: z.string(),
  at: z.unknown().transform(timeOf),
  // An entry of a newer release may have an action that this one does not know: it is shown as it stands.
  action: z.string().transform((action) => action as AuditAction),
  outcome: z.string().transform((outcome) => outcome as AuditOutcome),
  tenant_id: text,
  target_tenant_id: text,
  actor: text,
  reason: text,
  request_id: text,
  error_code: text,
  statement_fingerprint: text,
  detail: z.record(z.string(), z.unknown().transform(plain)).catch(() => ({ '(detail)': '(none)' })),
  writer: text,
  // bigint comes from the driver as text.
  writer_seq: z.coerce.number().nullish(),
  previous_mac: text,
  mac: text,
});

/** PostgreSQL has times that a Date has not, such as infinity. */
function timeOf(value: unknown): Date {
  const time = new Date(value instanceof Date ? value : String(value));
  return Number.isNaN(time.getTime()) ? new Date(0) : time;
}

function plain(value: unknown): string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : `(${JSON.stringify(value)})`;
}

/** The event that {@link storableEvent} made a row or a line of. @throws {ZodError} when it is none */
export function restoredEvent(stored: unknown): AuditEvent {
  const event = storedEvent.parse(stored);
  const { writer, writer_seq: seq, previous_mac: previous, mac } = event;
  const linked = writer !== undefined && typeof seq === 'number' && previous !== undefined && mac !== undefined;
  const link: ChainLink | undefined = linked ? Object.freeze({ writer, seq, previous, mac }) : undefined;
  return Object.freeze({
    id: event.id,
    at: event.at,
    action: event.action,
    outcome: event.outcome,
    tenantId: event.tenant_id,
    targetTenantId: event.target_tenant_id,
    actor: event.actor,
    reason: event.reason,
    requestId: event.request_id,
    errorCode: event.error_code,
    statementFingerprint: event.statement_fingerprint,
    detail: Object.freeze(event.detail),
    link,
  });
}
