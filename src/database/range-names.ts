import type { DerivedKind } from './chunks.ts';

/**
 * What the names stand for that a statement knows its sources by: subqueries, CTEs and views are derived, and have no hidden columns; every
 * other name is a table's. Inside a relational query's join its table goes by the name that the join has outside: the last one counts.
 */
export class RangeNames {
  #derived = new Map<string, DerivedKind>();

  /** Undefined for a table. */
  derivedAs(name: string): DerivedKind | undefined {
    return this.#derived.get(name);
  }

  note(name: string, kind: DerivedKind | undefined): void {
    if (kind === undefined) this.#derived.delete(name);
    else this.#derived.set(name, kind);
  }

  /** A statement's names are its own: what they stand for around it counts again behind it. */
  within(byName: ReadonlyMap<string, DerivedKind | undefined>, write: () => void): void {
    const outer = this.#derived;
    this.#derived = new Map(outer);
    for (const [name, kind] of byName) this.note(name, kind);
    write();
    this.#derived = outer;
  }
}
