import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from 'postgres';
import type { AuditEvent } from '../audit/audit-event.ts';
import type { AuditFilter, AuditListFilter } from '../audit/audit-filter.ts';
import { restoredEvent } from '../audit/restored-event.ts';
import type { CatalogSession } from '../catalog/catalog-session.ts';
import { ConfigurationError } from '../errors.ts';
import { auditColumns } from './audit-columns.ts';

const maxLimit = 10_000;
const pageSize = 1_000;

/**
 * How far back a tail looks again, in seconds: an entry takes its place in the log when its insert begins and shows when that commits,
 * which a service's statement timeout bounds.
 */
const settleSeconds = 15;

interface Row {
  readonly seq: string;
}

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
  async entries(filter: AuditListFilter = {}): Promise<readonly AuditEvent[]> {
    const limit = filter.limit ?? 100;
    if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
      throw new ConfigurationError(`Audit entries can't be limited to ${limit}.`, { hint: `Give a whole number from 1 to ${maxLimit}.` });
    }
    const rows = await this.#session.query(
      { doing: 'reading the audit log' },
      (sql) =>
        sql`select ${auditColumns(sql)} from tenancy.audit_log where ${matching(sql, filter)} order by at desc, seq desc limit ${limit}`,
    );
    return Object.freeze(rows.map(restoredEvent));
  }

  /** Every entry that matches, in the order of arrival; a page at a time is in memory. */
  async *all(filter: AuditFilter = {}): AsyncGenerator<AuditEvent, void, undefined> {
    for (let after = '0'; ; ) {
      const page = await this.#page(filter, after);
      for (const row of page) yield restoredEvent(row);
      if (page.length < pageSize) return;
      after = page.at(-1)!.seq;
    }
  }

  /**
   * Entries that match as they arrive, from now on, until the signal fires. Asks again and again: it needs no connection of its own.
   *
   * @param everyMs how long to wait between two looks; 1,000 unless told
   */
  async *tail(filter: AuditFilter, signal: AbortSignal, everyMs = 1_000): AsyncGenerator<AuditEvent, void, undefined> {
    let after = await this.#settled();
    // What was seen among entries of which others may yet show up before them; at first what stands there already.
    const seen = new Set((await this.#page({}, after)).map(({ seq }) => seq));
    while (!signal.aborted) {
      const settled = await this.#settled();
      for (let from = after; ; ) {
        const page = await this.#page(filter, from);
        for (const row of page) {
          if (!seen.has(row.seq)) yield restoredEvent(row);
          seen.add(row.seq);
          if (signal.aborted) return;
        }
        if (page.length < pageSize) break;
        from = page.at(-1)!.seq;
      }
      after = settled;
      for (const seq of seen) if (BigInt(seq) <= BigInt(after)) seen.delete(seq);
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  /** The last entry that nothing can show up before any more. */
  async #settled(): Promise<string> {
    const [row] = await this.#session.query(
      { doing: 'finding the end of the audit log' },
      (sql) => sql<Row[]>`
      select seq::text from tenancy.audit_log where recorded_at < now() - make_interval(secs => ${settleSeconds}) order by seq desc limit 1`,
    );
    return row?.seq ?? '0';
  }

  async #page(filter: AuditFilter, after: string): Promise<readonly Row[]> {
    return await this.#session.query(
      { doing: 'reading the audit log' },
      (sql) => sql<Row[]>`
      select seq::text, ${auditColumns(sql)} from tenancy.audit_log where seq > ${after}::bigint and ${matching(sql, filter)}
      order by seq limit ${pageSize}`,
    );
  }
}

function matching(sql: Sql, filter: AuditFilter) {
  const { tenantId, action, outcome, actor, requestId, since, until } = filter;
  return sql`true
    ${tenantId === undefined ? sql`` : sql`and (tenant_id = ${tenantId} or target_tenant_id = ${tenantId})`}
    ${action === undefined ? sql`` : sql`and action = ${action}`}
    ${outcome === undefined ? sql`` : sql`and outcome = ${outcome}`}
    ${actor === undefined ? sql`` : sql`and actor = ${actor}`}
    ${requestId === undefined ? sql`` : sql`and request_id = ${requestId}`}
    ${since === undefined ? sql`` : sql`and at >= ${since}`}
    ${until === undefined ? sql`` : sql`and at < ${until}`}`;
}
