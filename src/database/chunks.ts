import type { Param, SQL } from 'drizzle-orm';
import type { Relation } from './drizzle-internals.ts';
import type { EncryptedColumn } from './encrypted-column.ts';

/**
 * What the dialect puts into drizzle's SQL trees. None of these is a drizzle entity: drizzle's own rewriting (aliases in relational queries,
 * single-table selections) passes over them, and a stock dialect that gets hold of one makes a statement that PostgreSQL refuses.
 */

/** A table or view where it is read or written: with its schema, under its alias. */
export class TableChunk {
  readonly table: Relation;
  /** Whether the tenant's rows are filtered out right here, by a subselect: where a predicate further out would change an outer join. */
  readonly filtered: boolean;

  constructor(table: Relation, filtered = false) {
    this.table = table;
    this.filtered = filtered;
  }
}

/** `"products"."tenant_id" = $n`. */
export class TenantPredicate {
  readonly table: Relation;

  constructor(table: Relation) {
    this.table = table;
  }
}

/** The executing tenant's id as a value: `$n`, or `$n::text` where PostgreSQL could not tell its type. */
export class TenantValue {
  readonly typed: boolean;

  constructor(typed = false) {
    this.typed = typed;
  }
}

/** A value on its way into its column: the only place where an encrypted one may stand. */
export class StoredValue {
  readonly param: Param;

  constructor(param: Param) {
    this.param = param;
  }
}

/** An encrypted column as a whole field of a selection, which is decrypted when the row is mapped. */
export class EncryptedRead {
  readonly column: EncryptedColumn;

  constructor(column: EncryptedColumn) {
    this.column = column;
  }
}

/** An encrypted column in `… is null`, in a selection of a single table: drizzle would make its bare name of it. */
export class NullTest {
  readonly column: EncryptedColumn;

  constructor(column: EncryptedColumn) {
    this.column = column;
  }
}

/** What a name in a statement stands for, where that is no table. */
export type DerivedKind = 'subquery' | 'view';

/**
 * What a statement reads from, by name, ahead of it: its fields come before its FROM. They count to the end of the SQL that this stands in;
 * undefined for a table, which may go by the name of a subquery further out.
 */
export class StatementSources {
  readonly byName: ReadonlyMap<string, DerivedKind | undefined>;

  constructor(byName: ReadonlyMap<string, DerivedKind | undefined>) {
    this.byName = byName;
  }
}

const scoped = new WeakSet<SQL>();

/** Notes that the dialect built this SQL, or builds all SQL of this prototype, so that every table in it carries its predicate. */
export function markScoped<T extends SQL>(query: T): T {
  scoped.add(query);
  return query;
}

export function isScoped(query: SQL): boolean {
  return scoped.has(query) || scoped.has(Object.getPrototypeOf(query));
}
