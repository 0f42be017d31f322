import type { Sql } from 'postgres';

/** The columns of `tenancy.audit_log` that an entry is restored from. */
export function auditColumns(sql: Sql) {
  return sql`id, at, action, outcome, tenant_id, target_tenant_id, actor, reason, request_id, error_code, statement_fingerprint, detail,
    writer, writer_seq, encode(previous_mac, 'hex') as previous_mac, encode(mac, 'hex') as mac`;
}
