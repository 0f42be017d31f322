import { createHash } from 'node:crypto';
import type { AuditWriter } from '../audit/audit-writer.ts';
import type { ChainRow } from '../audit/chain-check.ts';
import { restoredEvent } from '../audit/restored-event.ts';
import { storableEvent } from '../audit/storable-event.ts';
import type { CatalogSession } from '../catalog/catalog-session.ts';
import { lengthPrefixed } from '../crypto/length-prefixed.ts';
import { auditColumns } from './audit-columns.ts';

const pageSize = 1_000;

/** A row without a link, from after the chains began. */
export interface UnlinkedRow {
  readonly id: string;
  readonly recordedBy: string;
}

/** What stood in the log before the chains began, as a whole. */
export interface LogBaseline {
  readonly entries: number;
  /** SHA-256 over every column of every row, hexadecimal. */
  readonly digest: string;
}

/** The audit log as whoever verifies it reads it: row by row, with what the database keeps beside each entry; pages in memory. */
export class AuditLog {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  /** Every writer that was registered, oldest first. */
  async writers(): Promise<readonly AuditWriter[]> {
    const rows = await this.#session.query(
      { doing: 'reading the audit writers' },
      (sql) => sql<{ id: string; provider: string; key_ref: string; key_version: string | null; wrapped: Buffer; started_at: Date }[]>`
      select id, provider, key_ref, key_version, wrapped, started_at from tenancy.audit_writers order by registered_at, id`,
    );
    return rows.map((row) => ({
      id: row.id,
      provider: row.provider,
      keyRef: row.key_ref,
      keyVersion: row.key_version ?? undefined,
      wrapped: row.wrapped,
      startedAt: row.started_at,
    }));
  }

  /** Writers that entries name and that are not registered. */
  async unknownWriters(): Promise<readonly { readonly writer: string; readonly entries: number; readonly first: string }[]> {
    return await this.#session.query(
      { doing: 'looking for audit writers that are not registered' },
      (sql) => sql<{ writer: string; entries: number; first: string }[]>`
      select writer, count(*)::int as entries, min(id::text) as first from tenancy.audit_log a
      where writer is not null and not exists (select from tenancy.audit_writers w where w.id = a.writer) group by writer order by writer`,
    );
  }

  /** One writer's rows by their places. */
  async *chain(writer: string): AsyncGenerator<ChainRow, void, undefined> {
    for (let [place, arrival] = ['0', '0']; ; ) {
      const page = await this.#session.query(
        { doing: 'reading a chain of the audit log' },
        (sql) => sql<{ seq: string; writer_seq: string; micros: string }[]>`
        select seq::text, ${auditColumns(sql)}, 
          case when isfinite(at) then (extract(epoch from at) * 1000000)::bigint::text else 'infinite' end as micros
        from tenancy.audit_log
        where writer = ${writer} and (writer_seq, seq) > (${place}::bigint, ${arrival}::bigint) order by writer_seq, seq limit ${pageSize}`,
      );
      for (const row of page) {
        const event = restoredEvent(row);
        yield { event: storableEvent(event), link: event.link!, micros: row.micros, arrival: BigInt(row.seq) };
      }
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) return;
      [place, arrival] = [last.writer_seq, last.seq];
    }
  }

  /** The place at which a writer's chain has an entry with this MAC. */
  async placeOf(writer: string, mac: string): Promise<number | undefined> {
    const [row] = await this.#session.query(
      { doing: 'looking for a link of the audit log' },
      (sql) => sql<{ place: string }[]>`
      select writer_seq::text as place from tenancy.audit_log where writer = ${writer} and mac = decode(${mac}, 'hex') order by seq limit 1`,
    );
    return row === undefined ? undefined : Number(row.place);
  }

  /** Rows without a link that came after the chains had begun. */
  async *unlinked(): AsyncGenerator<UnlinkedRow, void, undefined> {
    for (let after = '0'; ; ) {
      const page = await this.#session.query(
        { doing: 'looking for audit entries without a link' },
        (sql) => sql<{ seq: string; id: string; recorded_by: string }[]>`
        select seq::text, id, recorded_by from tenancy.audit_log
        where writer is null and seq > (select last_seq from tenancy.audit_chain_start) and seq > ${after}::bigint order by seq limit ${pageSize}`,
      );
      for (const row of page) yield { id: row.id, recordedBy: row.recorded_by };
      if (page.length < pageSize) return;
      after = page.at(-1)!.seq;
    }
  }

  /** What stood there before the chains began, as it is now. */
  async baseline(): Promise<LogBaseline> {
    const hash = createHash('sha256');
    let entries = 0;
    for (let after = '-9223372036854775808'; ; ) {
      const page = await this.#session.query(
        { doing: 'reading what the audit log held before its chains began' },
        (sql) => sql<{ seq: string; row: string }[]>`
        select seq::text, jsonb_build_array(seq, id, extract(epoch from at), action, outcome, tenant_id, target_tenant_id, actor, reason,
          request_id, error_code, statement_fingerprint, detail, extract(epoch from recorded_at), recorded_by)::text as row
        from tenancy.audit_log
        where writer is null and seq <= (select last_seq from tenancy.audit_chain_start) and seq > ${after}::bigint order by seq limit ${pageSize}`,
      );
      for (const { row } of page) hash.update(lengthPrefixed([row]));
      entries += page.length;
      if (page.length < pageSize) return { entries, digest: hash.digest('hex') };
      after = page.at(-1)!.seq;
    }
  }

  /** The entries that say what the baseline was, oldest first, with who recorded them. */
  async sealedBaselines(): Promise<readonly (LogBaseline & { readonly id: string; readonly recordedBy: string })[]> {
    const rows = await this.#session.query(
      { doing: 'reading the baseline of the audit log' },
      (sql) => sql<{ id: string; recorded_by: string; detail: Record<string, unknown> }[]>`
      select id, recorded_by, detail from tenancy.audit_log where action = 'audit' and reason = 'baseline' and writer is not null order by seq limit 100`,
    );
    return rows.map(({ id, recorded_by, detail }) => ({
      id,
      recordedBy: recorded_by,
      entries: Number(detail['entries']),
      digest: String(detail['digest']),
    }));
  }
}
