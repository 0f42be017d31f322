import { isServerError } from '../connection/driver-error.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';
import type { ColumnBackfill, LeftReason, LeftRow } from './column-reports.ts';
import { filledRow } from './filled-row.ts';
import type { LocatedSite } from './located-site.ts';
import type { Pace } from './pace.ts';
import { type FilledRow, fillRows, readWanting } from './site-rows.ts';
import type { RowsSession } from './tenant-rows.ts';

/** How often all rows are looked at: each pass but the first finds what others wrote or held meanwhile. */
const maxPasses = 20;
/** How many rows that were left a report names. */
const maxNamed = 100;
/** Unique violation; lock not available and deadlock, which mean that somebody is just writing an equal value. */
const conflict = '23505';
const busy: ReadonlySet<string> = new Set(['55P03', '40P01']);

type Counts = Record<LeftReason | 'filled' | 'held', number> & { readonly left: LeftRow[] };

/**
 * Fills the rows of one column of one tenant: encrypts plaintexts and makes tags, a batch a transaction, in passes over the table until one
 * finds nothing to do. Nothing needs to be remembered between runs: a row that was filled wants nothing any more.
 */
export class ColumnBackfiller {
  readonly #rows: RowsSession;
  readonly #keys: TenantKeys;
  readonly #site: LocatedSite;
  readonly #pace: Pace;
  readonly #onFilled: (n: number) => void;
  #encrypted = 0;
  #tagged = 0;

  constructor(parts: {
    readonly rows: RowsSession;
    readonly keys: TenantKeys;
    readonly site: LocatedSite;
    readonly pace: Pace;
    readonly onFilled: (n: number) => void;
  }) {
    this.#rows = parts.rows;
    this.#keys = parts.keys;
    this.#site = parts.site;
    this.#pace = parts.pace;
    this.#onFilled = parts.onFilled;
  }

  /** @throws {AbortedError} when the signal fired; what was filled is kept */
  async run(): Promise<ColumnBackfill> {
    for (let pass = 1; ; pass++) {
      const { filled, held, left, ...counts } = await this.#pass();
      if ((filled === 0 && held === 0) || pass === maxPasses) {
        const named = Object.freeze(left);
        return Object.freeze({
          column: this.#site.label,
          encrypted: this.#encrypted,
          tagged: this.#tagged,
          remaining: held,
          ...counts,
          left: named,
        });
      }
      if (held > 0) await this.#pace.rest(200);
    }
  }

  async #pass(): Promise<Counts> {
    const { tenantId } = this.#keys;
    const { batchSize } = this.#pace;
    const counts: Counts = { filled: 0, held: 0, unconvertible: 0, conflicting: 0, unreadable: 0, left: [] };
    let after: readonly string[] | undefined;
    do {
      await this.#pace.batch(async () => {
        const wanting = await this.#rows.transaction(async (sql) => await readWanting(sql, this.#site, tenantId, after, batchSize));
        const given: FilledRow[] = [];
        for (const row of wanting) {
          const filled = filledRow(this.#keys, this.#site, row);
          if (typeof filled === 'string') this.#leave(counts, row.key, filled);
          else given.push(filled);
        }
        const before = counts.filled;
        await this.#fill(given, counts);
        const done = counts.filled - before;
        if (done > 0) this.#onFilled(done);
        // Without a key of its own there is one row for a tenant at most.
        after = wanting.length < batchSize || this.#site.key.length === 0 ? undefined : wanting.at(-1)!.key;
        return done;
      });
    } while (after !== undefined);
    return counts;
  }

  /** All of them in one transaction; each in one of its own when a unique key is in the way, so that the rest goes on. */
  async #fill(given: readonly FilledRow[], counts: Counts): Promise<void> {
    const { tenantId } = this.#keys;
    try {
      const { encrypted, tagged } = await this.#rows.transaction(async (sql) => await fillRows(sql, this.#site, tenantId, given));
      this.#encrypted += encrypted;
      this.#tagged += tagged;
      counts.filled += encrypted + tagged;
      counts.held += given.length - encrypted - tagged;
    } catch (error) {
      const code = isServerError(error) && this.#site.tags !== undefined ? error.code : undefined;
      if (code === undefined || (code !== conflict && !busy.has(code))) throw error;
      if (given.length > 1) for (const one of given) await this.#fill([one], counts);
      else if (code === conflict) this.#leave(counts, given[0]!.key, 'conflicting');
      else counts.held += 1;
    }
  }

  #leave(counts: Counts, key: readonly string[], reason: LeftReason): void {
    counts[reason] += 1;
    if (counts.left.length === maxNamed) return;
    counts.left.push(
      Object.freeze({ key: Object.freeze(Object.fromEntries(this.#site.key.map(({ name }, n) => [name, key[n]!]))), reason }),
    );
  }
}
