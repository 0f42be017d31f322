/** The ids of every tenant's items. */
export const itemIds = [1, 2, 3, 4, 5] as const;

/** Something that must never happen. */
export interface Violation {
  /** `foreign`: a row of another tenant was seen or written; `missing`: an own row was not; `refusal`: an attack was let through, or work that is right was not. */
  readonly kind: 'foreign' | 'missing' | 'refusal' | 'database';
  readonly what: string;
}

interface Row {
  readonly id?: number | undefined;
  readonly marker: string;
}

/** Keeps account of what programs saw and of what was acknowledged to them. */
export class Book {
  readonly violations: Violation[] = [];
  /** How often each kind of step ran. */
  readonly steps = new Map<string, number>();
  /** Work that nobody in the program waits for. */
  readonly loose = new Set<Promise<unknown>>();
  readonly #notes = new Map<string, { readonly tenantId: string; readonly n: number }>();

  note(kind: Violation['kind'], what: string): void {
    this.violations.push({ kind, what });
  }

  counted(step: string): void {
    this.steps.set(step, (this.steps.get(step) ?? 0) + 1);
  }

  /** Rows of any number: all of them must be the tenant's. */
  own(tenantId: string, rows: readonly Row[], where: string): void {
    for (const { marker } of rows) if (marker !== tenantId) this.note('foreign', `${where}: ${tenantId} saw a row of ${marker}`);
  }

  /** All items: each id once, with the tenant's marker. */
  allItems(tenantId: string, rows: readonly Row[], where: string): void {
    this.own(tenantId, rows, where);
    const ids = rows.map(({ id }) => id).sort();
    if (JSON.stringify(ids) !== JSON.stringify(itemIds)) this.note('missing', `${where}: ${tenantId} saw the items ${JSON.stringify(ids)}`);
  }

  /** A write was acknowledged. */
  kept(tenantId: string, key: string, n: number): void {
    this.#notes.set(key, { tenantId, n });
  }

  gone(key: string): void {
    this.#notes.delete(key);
  }

  /** Watches work that nobody waits for: it may not throw. */
  watch(work: Promise<unknown>): void {
    const watched = work
      .catch((error: unknown) => this.note('refusal', `work that nobody waited for: ${String(error)}`))
      .finally(() => this.loose.delete(watched));
    this.loose.add(watched);
  }

  /** Compares one table, which these tenants' notes are in, with what was acknowledged. */
  compare(
    tenants: readonly string[],
    rows: readonly { readonly tenant: string; readonly key: string; readonly marker: string; readonly n: number }[],
  ): void {
    const left = new Map([...this.#notes].filter(([, note]) => tenants.includes(note.tenantId)));
    for (const { tenant, key, marker, n } of rows) {
      const note = left.get(key);
      left.delete(key);
      if (tenant !== marker || !tenants.includes(tenant)) this.note('foreign', `the note ${key} of ${marker} is a row of ${tenant}`);
      else if (note === undefined) this.note('database', `the note ${key} is there, and was never acknowledged or was deleted`);
      else if (note.tenantId !== tenant || note.n !== n)
        this.note('database', `the note ${key} is ${tenant}/${n} and should be ${note.tenantId}/${note.n}`);
    }
    for (const key of left.keys()) this.note('database', `the note ${key} was acknowledged and is not there`);
  }
}
