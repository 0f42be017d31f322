import { z } from 'zod';
import type { AuditAction, AuditEvent } from '../audit/audit-event.ts';
import type { AuditFilter } from '../audit/audit-filter.ts';
import type { CatalogSession } from '../catalog/catalog-session.ts';
import { ConfigurationError } from '../errors.ts';

const text = z
  .string()
  .nullable()
  .transform((value) => value ?? undefined);

const auditRow = z.object({
  id: z.string(),
  at: z.date(),
  // An entry of a newer release may have an action that this one does not know: it is shown as it stands.
  action: z.string().transform((action) => action as AuditAction),
  outcome: z.enum(['allowed', 'refused', 'completed', 'failed']),
  tenant_id: text,
  target_tenant_id: text,
  actor: text,
  reason: text,
  request_id: text,
  error_code: text,
  statement_fingerprint: text,
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

const maxLimit = 10_000;

/** The owner's side of the audit log: services append to it and can't read it. */
export class AuditReader {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  /**
   * Audit entries, newest first.
   *
   * @throws {ConfigurationError} when the limit is not a number from 1 to 10,000
   * @throws {CatalogError} when the catalog can't be read
   */
  async entries(filter: AuditFilter = {}): Promise<readonly AuditEvent[]> {
    const limit = filter.limit ?? 100;
    if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
      throw new ConfigurationError(`Audit entries can't be limited to ${limit}.`, { hint: `Give a whole number from 1 to ${maxLimit}.` });
    }
    const rows = await this.#session.query(
      { doing: 'reading the audit log' },
      (sql) => sql`
      select id, at, action, outcome, tenant_id, target_tenant_id, actor, reason, request_id, error_code, statement_fingerprint, detail
      from tenancy.audit_log
      where true
        ${filter.tenantId === undefined ? sql`` : sql`and (tenant_id = ${filter.tenantId} or target_tenant_id = ${filter.tenantId})`}
        ${filter.action === undefined ? sql`` : sql`and action = ${filter.action}`}
        ${filter.outcome === undefined ? sql`` : sql`and outcome = ${filter.outcome}`}
        ${filter.since === undefined ? sql`` : sql`and at >= ${filter.since}`}
        ${filter.until === undefined ? sql`` : sql`and at < ${filter.until}`}
      order by at desc, seq desc limit ${limit}`,
    );
    return Object.freeze(rows.map(eventOf));
  }
}

function eventOf(row: unknown): AuditEvent {
  const event = auditRow.parse(row);
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
  });
}
