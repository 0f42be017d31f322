import { LaneLostError, PolicyViolationError, TenancyError } from '../../../src/errors.ts';

/** Something that must never happen. */
export interface KillViolation {
  /**
   * `foreign`: another tenant's row was read or written, or reached for; `lost`, `kept`, `twice`: an acknowledged row is not there, a refused
   * one is, one is there twice; `untyped`: an error of nobody's; `hung`: something never settled.
   */
  readonly kind: 'foreign' | 'lost' | 'kept' | 'twice' | 'untyped' | 'hung';
  readonly what: string;
}

/** What became of a write, as far as its caller knows. */
type Outcome = 'acknowledged' | 'refused' | 'doubtful';

/** A row of a journal: the tenant that the database says it is of, and its name, which says who wrote it. */
export interface JournalRow {
  readonly tenantId: string;
  readonly name: string;
}

/** Numbers the rows that are written and knows what was acknowledged. */
export class Journal {
  readonly violations: KillViolation[] = [];
  readonly #writes = new Map<string, { readonly tenantId: string; readonly outcome: Outcome }>();
  #last = 0;

  note(kind: KillViolation['kind'], what: string): void {
    this.violations.push({ kind, what });
  }

  count(outcome: Outcome): number {
    return [...this.#writes.values()].filter((write) => write.outcome === outcome).length;
  }

  newName(tenantId: string): string {
    return `${tenantId}-${++this.#last}`;
  }

  /** Runs work that writes these rows, all or none; never rejects. */
  async write(tenantId: string, names: readonly string[], work: () => Promise<unknown>): Promise<void> {
    let outcome: Outcome = 'acknowledged';
    try {
      await work();
    } catch (error) {
      this.met(tenantId, error);
      outcome = error instanceof LaneLostError && error.sent ? 'doubtful' : 'refused';
    }
    for (const name of names) this.#writes.set(name, { tenantId, outcome });
  }

  /** A row that no outcome of its transaction keeps. */
  undone(tenantId: string, name: string): void {
    this.#writes.set(name, { tenantId, outcome: 'refused' });
  }

  /** Judges an error of a tenant's work: the library's are for callers to handle, others are not; nor does anybody's own work meet the policy. */
  met(tenantId: string, error: unknown): void {
    if (error instanceof PolicyViolationError) this.note('foreign', `work of ${tenantId} ran as another: ${error.message}`);
    else if (!(error instanceof TenancyError)) this.note('untyped', `work of ${tenantId} met ${String(error)}`);
  }

  /** Rows that a tenant read or wrote: all of them must be its own. */
  own(tenantId: string, rows: readonly JournalRow[]): void {
    for (const { tenantId: owner, name } of rows)
      if (owner !== tenantId || !name.startsWith(`${tenantId}-`)) this.note('foreign', `${tenantId} met the row ${name} of ${owner}`);
  }

  /** Compares what is there, as a superuser sees it, with what is known of every write. */
  compare(rows: readonly JournalRow[]): void {
    const there = new Map<string, number>();
    for (const { tenantId, name } of rows) {
      there.set(name, (there.get(name) ?? 0) + 1);
      const write = this.#writes.get(name);
      if (write?.tenantId !== tenantId) this.note('foreign', `${name} is a row of ${tenantId}`);
      if (write?.outcome === 'refused') this.note('kept', `${name} was refused and is there`);
    }
    for (const [name, n] of there) if (n > 1) this.note('twice', `${name} is there ${n} times`);
    for (const [name, { outcome }] of this.#writes)
      if (outcome === 'acknowledged' && !there.has(name)) this.note('lost', `${name} was acknowledged and is not there`);
  }
}
