import { z } from 'zod';
import type { CatalogSession } from './catalog-session.ts';

/** A process that may hold keys and has not followed a notice yet. */
export interface SilentProcess {
  readonly id: string;
  /** Its application, host and pid. */
  readonly name: string;
  /** From then on it can't hold the keys any more, whether or not it answers. */
  readonly keysEndAt: Date;
}

/** A process that may hold keys. */
export interface KnownProcess {
  readonly id: string;
  readonly name: string;
  /** The key managers that it has. */
  readonly providers: readonly string[];
  readonly seenAt: Date;
}

const silentRow = z.object({ id: z.string(), name: z.string(), keys_end_at: z.date() });
const answerRow = silentRow.extend({ acknowledged: z.boolean(), over: z.boolean() });
const knownRow = z.object({ id: z.string(), name: z.string(), providers: z.array(z.string()), seen_at: z.date() });

/** The owner's side of `tenancy.processes` and `tenancy.key_notices`. */
export class ProcessStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  /** Tells every process that may hold a tenant's keys to fetch them anew or to forget them. @returns the notice's number */
  async tell(tenantId: string, kind: 'reload' | 'forget'): Promise<number> {
    const [row] = await this.#session.query(
      { doing: `telling the services about the keys of ${tenantId}`, tenantId },
      (sql) => sql<{ seq: string }[]>`select tenancy.notify_processes(${tenantId}, ${kind}) as seq`,
    );
    return Number(row!.seq);
  }

  /** The processes that may still hold what a notice is about, by name; by the catalog server's clock. */
  async silent(notice: number): Promise<readonly SilentProcess[]> {
    const rows = await this.#session.query(
      { doing: 'reading which services have answered' },
      (sql) => sql`
      select p.id, p.name, least(n.at, p.seen_at) + p.key_life_ms * interval '1 millisecond' as keys_end_at
      from tenancy.processes p join tenancy.key_notices n on n.seq = ${notice}
      where p.acknowledged < n.seq and least(n.at, p.seen_at) + p.key_life_ms * interval '1 millisecond' > clock_timestamp()
      order by p.name, p.id`,
    );
    return rows.map((row) => {
      const { id, name, keys_end_at } = silentRow.parse(row);
      return Object.freeze({ id, name, keysEndAt: keys_end_at });
    });
  }

  /** Every process with whether it has followed a notice, and whether it can't hold what that is about in any case. */
  async answers(notice: number): Promise<readonly (SilentProcess & { readonly acknowledged: boolean; readonly over: boolean })[]> {
    const rows = await this.#session.query(
      { doing: 'reading which services have answered' },
      (sql) => sql`
      select id, name, keys_end_at, acknowledged, keys_end_at <= clock_timestamp() as over
      from (
        select p.id, p.name, p.acknowledged >= n.seq as acknowledged, least(n.at, p.seen_at) + p.key_life_ms * interval '1 millisecond' as keys_end_at
        from tenancy.processes p join tenancy.key_notices n on n.seq = ${notice}
      ) x order by name, id`,
    );
    return rows.map((row) => {
      const { id, name, keys_end_at, acknowledged, over } = answerRow.parse(row);
      return Object.freeze({ id, name, keysEndAt: keys_end_at, acknowledged, over });
    });
  }

  /** The processes that may hold keys, by name. */
  async known(): Promise<readonly KnownProcess[]> {
    const rows = await this.#session.query(
      { doing: 'reading the services that may hold keys' },
      (sql) => sql`
      select id, name, to_json(providers) as providers, seen_at from tenancy.processes
      where seen_at + key_life_ms * interval '1 millisecond' > clock_timestamp() order by name, id`,
    );
    return rows.map((row) => {
      const { id, name, providers, seen_at } = knownRow.parse(row);
      return Object.freeze({ id, name, providers, seenAt: seen_at });
    });
  }
}
