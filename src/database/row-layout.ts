import { Column, is, noopDecoder, SQL, Subquery } from 'drizzle-orm';
import type { SelectedFieldsOrdered } from 'drizzle-orm/pg-core';
import { rangeNameOf, subqueryParts } from './drizzle-internals.ts';
import { TenantIdColumn } from './tenant-id-column.ts';

export interface Decoder {
  mapFromDriverValue(value: unknown): unknown;
}

type Field = SelectedFieldsOrdered[number]['field'];

/**
 * How a column of the row becomes a value: `same` as the driver gave it, through its column's own `decoder`, or through the one that each
 * query brings with its expression (`mapWith` makes a new one at every call).
 */
export type ColumnReading = 'same' | 'given' | Decoder;

/** A key of the object that a row becomes: a value, or an object of its own. */
export type RowEntry =
  | { readonly key: string; readonly column: number }
  | {
      readonly key: string;
      readonly entries: readonly RowEntry[];
      /** The column that makes the whole object null where it is null itself. */
      readonly nullWith: number | undefined;
    };

/** What mapping a row takes, worked out once for all rows of a statement's shape. */
export interface RowLayout {
  readonly columns: readonly ColumnReading[];
  readonly entries: readonly RowEntry[];
}

/** Which joined objects can't become null, by the name that the query knows their table by; as drizzle's builders keep it. */
export type JoinsNotNullable = Record<string, boolean> | undefined;

export function decoderOf(field: Field): Decoder {
  if (is(field, Column)) return field as Decoder;
  const expression = is(field, SQL) ? field : is(field, Subquery) ? subqueryParts(field).sql : (field as SQL.Aliased).sql;
  return (expression as unknown as { decoder: Decoder }).decoder;
}

const sameValue = new Set<unknown>([
  noopDecoder.mapFromDriverValue,
  Column.prototype.mapFromDriverValue,
  TenantIdColumn.prototype.mapFromDriverValue,
]);

function readingOf(field: Field): ColumnReading {
  const decoder = decoderOf(field);
  if (sameValue.has(decoder.mapFromDriverValue)) return 'same';
  return is(field, Column) ? decoder : 'given';
}

interface OpenObject {
  readonly key: string;
  readonly entries: (RowEntry | OpenObject)[];
  readonly byKey: Map<string, OpenObject>;
  nullWith: number | undefined;
  /** The table that all plain columns of the object belong to; undefined until there is one, null as soon as there are two. */
  table: string | undefined | null;
}

function openObject(key: string): OpenObject {
  return { key, entries: [], byKey: new Map(), nullWith: undefined, table: undefined };
}

/**
 * The layout of a selection's rows. It keeps drizzle's rule for joins: an object of plain columns of one table is null when that table may
 * be missing and the *first* of these columns is null. Keys named like members of `Object.prototype` are keys like any other here.
 */
export function rowLayout(fields: SelectedFieldsOrdered, joinsNotNullable: JoinsNotNullable): RowLayout {
  const root = openObject('');
  fields.forEach(({ path, field }, index) => {
    let object = root;
    for (const key of path.slice(0, -1)) {
      let inner = object.byKey.get(key);
      if (inner === undefined) {
        inner = openObject(key);
        object.byKey.set(key, inner);
        object.entries.push(inner);
      }
      object = inner;
    }
    object.entries.push({ key: path.at(-1) as string, column: index });
    if (path.length === 2 && is(field, Column)) noteColumn(object, rangeNameOf(field.table), index);
  });
  return { columns: fields.map(({ field }) => readingOf(field)), entries: closed(root, joinsNotNullable) };
}

function noteColumn(object: OpenObject, table: string, index: number): void {
  if (object.table === undefined) {
    object.table = table;
    object.nullWith = index;
  } else if (object.table !== table) {
    object.table = null;
  }
}

function closed({ entries }: OpenObject, joinsNotNullable: JoinsNotNullable): RowEntry[] {
  return entries.map((entry) => {
    if ('column' in entry) return entry;
    const { key, table, nullWith } = entry as OpenObject;
    const nullable = joinsNotNullable !== undefined && typeof table === 'string' && !joinsNotNullable[table];
    return { key, entries: closed(entry as OpenObject, joinsNotNullable), nullWith: nullable ? nullWith : undefined };
  });
}
