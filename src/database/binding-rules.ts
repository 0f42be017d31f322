import { is } from 'drizzle-orm';
import { ForeignKeyBuilder, type PgColumnBuilderBase, type PgTableExtraConfigValue, PrimaryKeyBuilder } from 'drizzle-orm/pg-core';
import { ConfigurationError } from '../errors.ts';
import { builderState, columnNameOf } from './drizzle-internals.ts';
import { EncryptedColumnBuilder } from './encrypted-column.ts';
import { mayBeRowId } from './row-id.ts';

/** A column whose values are bound to their row, and the column of the row's id; both by their names in the database. */
export interface Binding {
  readonly column: string;
  readonly idColumn: string;
}

/**
 * Which of a table's columns are bound to their row, and by what.
 *
 * @throws {ConfigurationError} when the id is no column of the table, may be null, is made by the database or written in more than one way
 */
export function bindingsOf(table: string, columns: Record<string, PgColumnBuilderBase>): readonly Binding[] {
  return Object.entries(columns).flatMap(([key, builder]) => {
    if (!(builder instanceof EncryptedColumnBuilder) || builder.boundTo === undefined) return [];
    const column = columnNameOf(key, builder);
    const id = Object.hasOwn(columns, builder.boundTo) ? columns[builder.boundTo] : undefined;
    const refuse = (what: string, hint: string): never => {
      throw new ConfigurationError(`${table}.${column} is bound to its row by "${builder.boundTo}", ${what}.`, { hint });
    };
    if (id === undefined) return refuse('which is no column of the table', 'Name the key of a column: boundTo: "id".');
    const { columnType, notNull, default: databaseDefault, generated, generatedIdentity, onUpdateFn } = builderState(id).config;
    if (!mayBeRowId(columnType))
      refuse('whose type is none that an id may have', 'Use uuid, text, varchar, integer or bigint, whose values are made by the service.');
    if (databaseDefault !== undefined || generated !== undefined || generatedIdentity !== undefined)
      refuse('whose values the database makes: the service must know them first', 'Write .$defaultFn(() => randomUUID()) instead.');
    if (onUpdateFn !== undefined) refuse('which $onUpdate changes: values would no longer open', 'Leave $onUpdate out.');
    if (!notNull) refuse('which may be null', 'Declare it .notNull().');
    return [{ column, idColumn: columnNameOf(builder.boundTo, id) }];
  });
}

/**
 * A table's extras, when drizzle reads them.
 *
 * @throws {ConfigurationError} when an id that values are bound to is not the table's key, and so stands for no single row, or may change
 */
export function checkBindingKeys(
  table: string,
  bindings: readonly Binding[],
  extras: readonly PgTableExtraConfigValue[],
): readonly PgTableExtraConfigValue[] {
  const keys = extras.filter((extra) => is(extra, PrimaryKeyBuilder)) as unknown as { columns: readonly { readonly name: string }[] }[];
  for (const { column, idColumn } of bindings) {
    const refuse = (what: string, hint: string): never => {
      throw new ConfigurationError(`${table}.${column} is bound to its row by ${idColumn}, ${what}.`, { hint });
    };
    if (!keys.some(({ columns }) => columns.length === 2 && columns[1]!.name === idColumn))
      refuse('which is not the table’s key', 'Write tenantKey(t.…) with that column alone in the extras.');
    if (extras.some((extra) => is(extra, ForeignKeyBuilder) && changes(extra, idColumn)))
      refuse('which a foreign key changes with the row that it points to', 'Leave "on update cascade" out.');
  }
  return extras;
}

/** Whether PostgreSQL may set a column to what a row of another table has. */
function changes(key: ForeignKeyBuilder, column: string): boolean {
  const { reference, _onUpdate } = key as unknown as { reference(): { columns: readonly { name: string }[] }; _onUpdate: string };
  return _onUpdate === 'cascade' && reference().columns.some(({ name }) => name === column);
}
